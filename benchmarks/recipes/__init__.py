"""Refined and searched recipes beside the untouched one; see `__main__`."""
