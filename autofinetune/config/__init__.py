"""The options of a run, checked: what one is to do."""
