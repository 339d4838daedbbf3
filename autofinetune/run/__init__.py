"""Everything that runs one Config from start to finish."""
