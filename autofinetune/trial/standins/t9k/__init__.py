"""`t9k` in a trial whose Python does not have TensorStack's SDK: only its `tuner`."""
