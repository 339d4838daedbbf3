"""Trials as actors of a Ray cluster, without a shared file system."""
