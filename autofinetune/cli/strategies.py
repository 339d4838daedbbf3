"""`autofinetune strategies` and `autofinetune assessors`: list them with their options."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence

from autofinetune.assessors import ASSESSORS, assessor_class
from autofinetune.cli.options import Parser
from autofinetune.options import Option
from autofinetune.strategies import STRATEGIES, strategy_class


def strategies_command(argv: Sequence[str]) -> int:
    """Print every strategy and return the exit code."""
    Parser("strategies", description=__doc__).parse_args(argv)
    for name in sorted(STRATEGIES):
        _show(name, strategy_class(name), strategy_class(name).OPTIONS)
    print("optuna:TPESampler")
    print("  and all other samplers of Optuna, with pip install 'autofinetune[optuna]'")
    print("    the arguments of the sampler's constructor\n")
    print("example: --tuning_strategy=hazero --strategy_options sigma=0.3,design=15")
    return 0


def assessors_command(argv: Sequence[str]) -> int:
    """Print every assessor and return the exit code."""
    Parser("assessors", description=__doc__).parse_args(argv)
    for name in sorted(ASSESSORS):
        _show(name, assessor_class(name), assessor_class(name).OPTIONS)
    print("example: --assessor=medianstop --assessor_options start_step=3")
    return 0


def _show(name: str, cls: type, options: Mapping[str, Option]) -> None:
    summary = (inspect.getdoc(sys.modules[cls.__module__]) or "").split("\n\n")[0]
    print(f"{name}\n  {' '.join(summary.split())}")
    for key, option in options.items():
        also = f", also called {', '.join(option.also)}" if option.also else ""
        print(f"    {key}={option.default}  {option.text} ({option.allowed}{also})")
    print()
