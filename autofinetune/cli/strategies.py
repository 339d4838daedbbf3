"""`autofinetune strategies`: the search algorithms with their options and defaults."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from autofinetune.cli.options import Parser
from autofinetune.strategies import STRATEGIES, strategy_class


def strategies_command(argv: Sequence[str]) -> int:
    """Print every strategy; returns the exit code."""
    parser = Parser(prog="autofinetune strategies", description=__doc__, allow_abbrev=False)
    parser.parse_args(list(argv))
    for name in sorted(STRATEGIES):
        found = strategy_class(name)
        summary = (inspect.getdoc(sys.modules[found.__module__]) or "").split("\n\n")[0]
        print(f"{name}\n  {' '.join(summary.split())}")
        for key, option in found.OPTIONS.items():
            print(f"    {key}={option.default}  {option.text} ({option.allowed})")
        print()
    print("optuna:TPESampler")
    print("  and all other samplers of Optuna, with pip install 'autofinetune[optuna]'")
    print("    the arguments of the sampler's constructor\n")
    print("use them as in: --tuning_strategy=hazero --strategy_options sigma=0.3,design=15")
    return 0
