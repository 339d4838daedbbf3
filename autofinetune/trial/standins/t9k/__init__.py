"""A substitute for `t9k` in a trial whose Python lacks TensorStack's SDK: only its `tuner`."""
