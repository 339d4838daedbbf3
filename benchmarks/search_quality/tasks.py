"""All tasks by name, and which of them the search's constants were tuned on."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from . import mixed, scales, synthetic, trainings, yahpo
from .task import Task

# The constants of the strategies were chosen by results on these and no others; what is claimed is
# claimed of the rest.
TUNED_ON = (
    *(
        f"lcbench/{i}"
        for i in ("3945", "7593", "34539", "126025", "126026", "126029", "146212", "167104")
    ),
    *(problem.name for problem in synthetic.tuning_problems()),
    *mixed.names(),
)


def names(data: Path | None) -> list[str]:
    """Every task there is, without and with YAHPO's data."""
    found = [f"{yahpo.FAMILY}/{i}" for i in yahpo.instances(data)] if data else []
    found += trainings.names()
    found += [problem.name for problem in synthetic.every_problem()]
    return found + mixed.names()


def select(patterns: Iterable[str], data: Path | None) -> list[str]:
    """The tasks that match any pattern: `*`, `family/*`, `family/instance`, `tuned`, `heldout`,
    or `lcbench:8` for the first 8 of a family."""
    every, chosen = names(data), []
    for pattern in patterns:
        family, colon, count = pattern.partition(":")
        if pattern == "tuned":
            found = [name for name in every if name in TUNED_ON]
        elif pattern == "heldout":
            found = [name for name in every if name not in TUNED_ON]
        elif colon:
            found = [name for name in every if name.startswith(f"{family}/")][: int(count)]
        else:
            found = [name for name in every if fnmatchcase(name, pattern)]
        chosen += [name for name in found if name not in chosen]
    return chosen


@functools.cache
def load(name: str, data: Path | None) -> Task:
    """Make the task called `name`; raises KeyError when it has no scale yet."""
    family, _, instance = name.partition("/")
    if family == yahpo.FAMILY:
        assert data is not None
        evaluate = functools.partial(yahpo.evaluate, data, instance)
        return Task(name, yahpo.space(), evaluate, scales.load()[name])
    if family == trainings.FAMILY:
        space = trainings.space(instance.partition("-")[0])
        evaluate = functools.partial(trainings.evaluate, instance)
        return Task(name, space, evaluate, trainings.scale(name))
    if family == mixed.FAMILY:
        return Task(name, mixed.space(instance), mixed.score(instance), scales.load()[name])
    problem = next(problem for problem in synthetic.every_problem() if problem.name == name)
    return Task(name, problem.space, problem.score, scales.load()[name])
