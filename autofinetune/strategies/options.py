"""The settings of a strategy, by the means that all plug-ins share."""

from autofinetune.options import Option, read_options

__all__ = ["Option", "read_options"]
