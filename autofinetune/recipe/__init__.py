"""Data recipes: operators of Data-Juicer with thresholds, refined by statistics of the data."""
