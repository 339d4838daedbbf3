"""The search algorithms. A new one is a file in this folder and a line in `STRATEGIES`.

space = load_space("hparam.yaml")
strategy = create_strategy("pshe2", space, popsize=5, seed=0)
for _ in range(50):
    for candidate in strategy.ask(5):
        strategy.tell(candidate, train(**candidate.params))
"""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.errors import Mistake, UsageError, did_you_mean
from autofinetune.plugins import PlugIns
from autofinetune.space import Space

from .base import SCHEDULES, Candidate, Exhausted, Known, Strategy
from .options import Option, read_options
from .repeated import Repeated
from .replay import Replay

# Named, not imported, so that numpy and cma are loaded only when a search begins.
STRATEGIES = PlugIns("autofinetune.strategies", {
    "anneal": "autofinetune.strategies.anneal:Anneal",
    "batch": "autofinetune.strategies.batch:Batch",
    "evolution": "autofinetune.strategies.evolution:Evolution",
    "gp": "autofinetune.strategies.gp:GPTuner",
    "grid": "autofinetune.strategies.grid:GridSearch",
    "hazero": "autofinetune.strategies.hazero:HAZero",
    "metis": "autofinetune.strategies.metis:Metis",
    "pbt": "autofinetune.strategies.pbt:PBT",
    "ppo": "autofinetune.strategies.ppo:PPO",
    "pshe2": "autofinetune.strategies.pshe2:PSHE2",
    "random": "autofinetune.strategies.random_search:RandomSearch",
    "tpe": "autofinetune.strategies.tpe:TPE",
})  # fmt: skip

# For names such as `optuna:TPESampler`: the function that makes a class from the second part.
FAMILIES = PlugIns("autofinetune.strategy_families", {
    "optuna": "autofinetune.strategies.optuna_samplers:of_sampler",
})  # fmt: skip
ALIASES: Mapping[str, str] = {"gridsearch": "grid"}


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
    """Create the strategy called `name`, see `known_name`; raises what `Strategy` raises."""
    if not isinstance(space, Space):
        raise TypeError(f"space must be a Space, not {type(space).__name__}; use load_space")
    return strategy_class(name)(space, popsize, seed, allow_repeats, options, schedule, rounds)


def known_name(name: str) -> str:
    """Return a name as spelled in `STRATEGIES`; it may be in any case and end in "Tuner".

    The second part of a name of `FAMILIES` is kept without being looked up. Raise UsageError if
    there is no such strategy.
    """
    family, colon, rest = name.partition(":")
    if colon and family.lower() in FAMILIES:
        return f"{family.lower()}:{rest}"
    plain = name.lower().removesuffix("tuner")
    plain = ALIASES.get(plain, plain)
    if plain not in STRATEGIES:
        raise UsageError(
            Mistake(
                "tuning_strategy",
                f"is unknown; use one of: {', '.join(STRATEGIES)}"
                + did_you_mean(plain, [*STRATEGIES, *ALIASES]),
                name,
            )
        )
    return plain


def strategy_class(name: str) -> type[Strategy]:
    """Return the class of a strategy; raise EnvironmentProblem if it needs a missing package."""
    family, colon, rest = known_name(name).partition(":")
    found = (FAMILIES if colon else STRATEGIES).load(family)
    cls: type[Strategy] = found(rest) if colon else found
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
    "known_name",
    "read_options",
    "strategy_class",
]
