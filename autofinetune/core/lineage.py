"""The lineage of models: the trials that led to one, and the ancestors of a population. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter

from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.space import Value


def chain_of(state: State, trial: Trial) -> list[Trial]:
    """Return the chain of trials that led to `trial`, from the one that began from scratch."""
    found = [trial]
    while found[-1].parent is not None:
        found.append(state.trials[found[-1].parent])
    return found[::-1]


def changes(before: Mapping[str, Value], after: Mapping[str, Value]) -> dict[str, Value | None]:
    """Return the hyperparameters that differ with their new values, None for a removed one."""
    names = list({**after, **before})

    def is_same(name: str) -> bool:
        one, other = before.get(name), after.get(name)
        is_equal = one == other and type(one) is type(other)  # True, 1 and 1.0 are three choices
        return is_equal and (name in before) == (name in after)

    return {name: after.get(name) for name in names if not is_same(name)}


def ancestors(state: State) -> Counter[int]:
    """Count members by the from-scratch trial that their newest completed trial descends from."""
    newest: dict[int, Trial] = {}
    for trial in state.trials.values():
        if trial.status is Status.COMPLETED:
            newest[trial.member] = max(
                newest.get(trial.member, trial), trial, key=attrgetter("round")
            )
    return Counter(chain_of(state, trial)[0].id for trial in newest.values())


def effective_number(shares: Counter[int]) -> float:
    """Return the effective number of ancestors, (sum n)^2 / sum n^2 (inverse Simpson index)."""
    total = sum(shares.values())
    return total**2 / sum(count**2 for count in shares.values()) if total else 0.0
