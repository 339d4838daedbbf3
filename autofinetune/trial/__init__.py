"""What stands around train.py inside a trial: standard library only, Python 3.8 and later.

`boot/` is on the PYTHONPATH of every trial, so Python loads `boot/sitecustomize.py` before the
script. It installs the hooks (`hooks.py`) that listen to the libraries in `integration/`, one file
a library, and offers `autofinetune` and the modules in `standins/` where they are not installed.
"""
