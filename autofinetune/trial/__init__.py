"""The layer around train.py inside a trial: standard library only, Python 3.8 and later.

`preload/boot/` is on the PYTHONPATH of every trial, so Python loads its `sitecustomize.py` before
the script. It installs the hooks (`hooks.py`) for the libraries in `integration/`, one file per
library, and makes `autofinetune` and the modules in `standins/` importable if they are not
installed.
"""
