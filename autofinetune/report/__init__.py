"""One self-contained HTML page about finished or running runs, and the same plots as files."""
