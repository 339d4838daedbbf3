"""`autofinetune recipe`: refine data recipes by statistics, or search for better ones."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from autofinetune.errors import UsageError, did_you_mean

# What can be done with a recipe: its function in `autofinetune.cli`, and its row in the help.
_ACTIONS = {
    "refine": ("recipe_refine:refine_command", "set thresholds by the statistics of the data"),
    "search": (
        "recipe_search:search_command",
        "try arguments, and score the data that they leave",
    ),
}


def recipe_command(argv: Sequence[str]) -> int:
    """Do what the first word says, and return the exit code."""
    rows = "\n".join(
        f"  autofinetune recipe {name:8} {text}" for name, (_, text) in _ACTIONS.items()
    )
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: autofinetune recipe ACTION ...\n\nRecipes of Data-Juicer:\n{rows}")
        return 0
    if not argv or argv[0] not in _ACTIONS:
        word = argv[0] if argv else ""
        problem = f"there is no action {word!r:.60}{did_you_mean(word, _ACTIONS)}"
        raise UsageError(problem if word else "the action is missing", f"use one of:\n{rows}")
    module, _, function = _ACTIONS[argv[0]][0].partition(":")
    found = importlib.import_module(f"autofinetune.cli.{module}")
    return int(getattr(found, function)(argv[1:]))
