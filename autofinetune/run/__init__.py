"""One run, from a Config to its end."""
