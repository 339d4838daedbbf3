"""On the PYTHONPATH, this folder makes Python load its `sitecustomize` before the script."""
