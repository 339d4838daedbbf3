"""The search algorithms. A new one is a file in this folder and a line in `STRATEGIES`.

space = load_space("hparam.yaml")
strategy = create_strategy("pshe2", space, popsize=5, seed=0)
for _ in range(50):
    for candidate in strategy.ask(5):
        strategy.tell(candidate, train(**candidate.params))
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from autofinetune.errors import UsageError
from autofinetune.space import Space

from .base import SCHEDULES, Candidate, Exhausted, Known, Strategy
from .options import Option, read_options
from .repeated import Repeated
from .replay import Replay

# Named, not imported: numpy and cma are loaded only when a search begins.
STRATEGIES: Mapping[str, str] = {
    "hazero": "autofinetune.strategies.hazero:HAZero",
    "pshe2": "autofinetune.strategies.pshe2:PSHE2",
}


def create_strategy(
    name: str,
    space: Space,
    *,
    popsize: int,
    seed: int,
    allow_repeats: bool = False,
    options: Mapping[str, object] | None = None,
    schedule: str = "async",
    rounds: int | None = None,
) -> Strategy:
    """Make the strategy called `name`, in any case.

    Raises:
        UsageError: there is no such strategy, or it has no such option.
        ValueError: popsize, seed or schedule is out of range.
    """
    return strategy_class(name)(space, popsize, seed, allow_repeats, options, schedule, rounds)


def strategy_class(name: str) -> type[Strategy]:
    """The class of the strategy called `name`, in any case; raises UsageError for others."""
    target = STRATEGIES.get(name.lower())
    if target is None:
        raise UsageError(
            f"strategy {name!r} is unknown; use one of: {', '.join(sorted(STRATEGIES))}"
        )
    module, _, attribute = target.partition(":")
    cls: type[Strategy] = getattr(importlib.import_module(module), attribute)
    return cls


__all__ = [
    "SCHEDULES",
    "STRATEGIES",
    "Candidate",
    "Exhausted",
    "Known",
    "Option",
    "Repeated",
    "Replay",
    "Strategy",
    "create_strategy",
    "read_options",
    "strategy_class",
]
