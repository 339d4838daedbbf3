"""Tables out of the cache: which cells can be compared, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import metrics, mixed, scales, synthetic, trainings, yahpo
from .cells import Cell
from .metrics import Array
from .task import Scale
from .tasks import TUNED_ON

Key = tuple[str, str, int]
ALL = "All tasks not tuned on"
_CONDITIONAL = f"{trainings.FAMILY} with conditions"


@dataclass(frozen=True)
class Group:
    """Cells of several tasks that all methods have with the same seeds.

    `regret` has shape (task, seed, method, trial).
    """

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    methods: tuple[str, ...]
    regret: Array
    milliseconds: dict[str, float]  # the median of those of the searches

    @property
    def seeds_in_words(self) -> str:
        return f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"

    @property
    def trials(self) -> int:
        """How many each search had."""
        return int(self.regret.shape[-1])

    def at(self, trials: int) -> Array:
        """Regret after so many trials, (task, seed, method)."""
        return np.asarray(self.regret[..., trials - 1])


@dataclass(frozen=True)
class Row:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def scale_of(task: str) -> Scale:
    family = task.partition("/")[0]
    return trainings.scale(task) if family == trainings.FAMILY else scales.load()[task]


def families(tasks: Sequence[str]) -> dict[str, list[str]]:
    """The groups that are reported, by title."""
    titles = {
        yahpo.FAMILY: "LCBench",
        trainings.FAMILY: "Real trainings",
        _CONDITIONAL: "Real trainings with conditions",
        "bbob": "Synthetic functions",
        "rounded": "Synthetic functions with whole numbers on every second axis",
        synthetic.TUNING_FAMILY: "Other synthetic functions",
        mixed.FAMILY: "Made-up spaces with choices and conditions",
    }
    groups: dict[str, list[str]] = {}
    for family, title in titles.items():
        members = [task for task in tasks if _family(task) == family]
        tuned = [task for task in members if task in TUNED_ON]
        held = [task for task in members if task not in TUNED_ON]
        suffix = ", not tuned on" if tuned else ""
        groups |= {f"{title}{suffix}": held, f"{title}, tuned on": tuned}
    held = [task for members in groups.values() for task in members if task not in TUNED_ON]
    return {ALL: held} | groups


def _family(task: str) -> str:
    """That of a task; trainings whose hyperparameters depend on others are one of their own."""
    family, _, instance = task.partition("/")
    if family == trainings.FAMILY and trainings.space(instance.partition("-")[0]).parents:
        return _CONDITIONAL
    return family


def select(
    found: Mapping[Key, Cell],
    tasks: Sequence[str],
    methods: Sequence[str],
    trials: int,
    *,
    is_wide: bool = False,
) -> Group | None:
    """The largest set of tasks and first seeds for which every method has a cell.

    Args:
        is_wide: as many tasks as there are, with however few seeds.
    """
    if not methods:
        return None
    complete = {key for key, cell in found.items() if cell.trials >= trials}
    shared = {
        task: [
            seed
            for seed in sorted({seed for t, _, seed in complete if t == task})
            if all((task, method, seed) in complete for method in methods)
        ]
        for task in tasks
    }
    counts = sorted({len(seeds) for seeds in shared.values()} - {0})
    if not counts:
        return None

    def size(n: int) -> tuple[int, int]:
        kept = sum(len(seeds) >= n for seeds in shared.values())
        return (kept if is_wide else n * kept, n)

    n = max(counts, key=size)
    kept = [task for task in tasks if len(shared[task]) >= n]
    common = sorted(set.intersection(*(set(shared[task]) for task in kept)))[:n]
    if len(common) < n:
        kept = [task for task in kept if set(common) <= set(shared[task])]
    if not common:
        return None

    def curve(task: str, seed: int, method: str) -> Array:
        return metrics.regret_curve(found[task, method, seed].curve(), trials, scale_of(task))

    regret = np.array(
        [[[curve(task, seed, m) for m in methods] for seed in common] for task in kept]
    )
    milliseconds = {
        method: float(np.median([found[task, method, i].ms for task in kept for i in common]))
        for method in methods
    }
    return Group(tuple(kept), tuple(common), tuple(methods), regret, milliseconds)


def group(
    found: Mapping[Key, Cell],
    tasks: Sequence[str],
    methods: Sequence[str],
    trials: int,
    beside: Iterable[str] = (),
    *,
    is_wide: bool = False,
) -> tuple[Group | None, dict[str, int]]:
    """What can be compared in these tasks, and how many cells the methods left out have.

    Without `methods`, all that have at least half of the cells that those `beside` whom they are
    compared have: one with few cells would take the others' away, since only what all have is
    compared. Without `beside`, half as many as the method with most. If `is_wide`, all that have
    cells of every task of theirs.
    """
    cells: dict[str, set[tuple[str, int]]] = {}
    for (task, method, seed), cell in found.items():
        if task in tasks and cell.trials >= trials and (method in methods or _is_plain(method)):
            cells.setdefault(method, set()).add((task, seed))
    if methods:
        chosen = [method for method in methods if method in cells]
        return select(found, tasks, chosen, trials, is_wide=is_wide), {}
    all_beside = [cells.get(method, set()) for method in beside]
    wanted = set.intersection(*all_beside) if all_beside else set()
    wanted = wanted or max(cells.values(), key=len, default=set())

    def has_enough(own: set[tuple[str, int]]) -> bool:
        if is_wide:
            return {task for task, _ in own} >= {task for task, _ in wanted}
        return len(own & wanted) >= len(wanted) / 2

    chosen = [method for method, own in sorted(cells.items()) if has_enough(own)]
    left_out = {method: len(own) for method, own in cells.items() if method not in chosen}
    return select(found, tasks, chosen, trials, is_wide=is_wide), left_out


def _is_plain(method: str) -> bool:
    """Whether it is a method as it comes, no variant."""
    return ":" not in method and "@" not in method


def regrets(group: Group, trials: int) -> dict[str, Row]:
    return _rows(group, group.at(trials))


def ranks(group: Group, trials: int) -> dict[str, Row]:
    return _rows(group, metrics.ranks(group.at(trials)))


def _rows(group: Group, values: Array) -> dict[str, Row]:
    means = values.mean(axis=(0, 1))
    low, high = metrics.bootstrap(values)
    return {
        method: Row(float(means[i]), float(low[i]), float(high[i]))
        for i, method in enumerate(group.methods)
    }


def wins(group: Group, ours: str, trials: int) -> dict[str, tuple[int, int, int]]:
    """(won, tied, lost) of `ours` against every other method."""
    values, place = group.at(trials), group.methods.index(ours)
    return {
        method: metrics.wins(values[..., place], values[..., i])
        for i, method in enumerate(group.methods)
        if method != ours
    }
