"""Drafts an hparam.yaml from the options of a script."""
