"""Tests with the real Data-Juicer, which `make test-recipes` runs where it is installed."""
