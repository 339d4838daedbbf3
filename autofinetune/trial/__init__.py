"""What train.py imports in a trial: standard library only, Python 3.8 and later."""
