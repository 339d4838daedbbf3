"""How good is the search, compared with others? See `__main__` for how to run it."""
