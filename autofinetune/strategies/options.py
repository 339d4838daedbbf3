"""The settings of a strategy, by the means that all plug-ins share."""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.options import Option, read_options

OPTIMIZE_MODE: Mapping[str, Option] = {
    "optimize_mode": Option(
        "maximize", "another word for --direction", words=("maximize", "minimize")
    )
}

__all__ = ["OPTIMIZE_MODE", "Option", "read_options"]
