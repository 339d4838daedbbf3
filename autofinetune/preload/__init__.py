"""Modules imported once, from which trials are forked."""
