"""The options of strategies, read as those of all plug-ins."""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.options import Option, read_options

OPTIMIZE_MODE: Mapping[str, Option] = {
    "optimize_mode": Option(
        "maximize", "another word for --direction", words=("maximize", "minimize")
    )
}

__all__ = ["OPTIMIZE_MODE", "Option", "read_options"]
