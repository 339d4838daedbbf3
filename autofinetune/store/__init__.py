"""The files of a run: the journal, and safe access to directories."""
