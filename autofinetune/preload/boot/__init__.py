"""Put into PYTHONPATH, this folder makes Python load `sitecustomize` before the script."""
