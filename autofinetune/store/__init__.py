"""The files of a run: the journal, and directories that are safe to read and write."""
