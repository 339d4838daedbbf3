"""Runs made up event by event, so that any length and any shape takes a moment."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autofinetune.config.config import Config
from autofinetune.config.described import describe
from autofinetune.core import events as e
from autofinetune.core.slot import Slot
from autofinetune.space import Space, Value, load_space
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import MIXED, config_of

BEGIN = 1.76e9
Score = Callable[[Mapping[str, Value]], float]


def floats(count: int) -> Space:
    """A space of so many numbers between 0 and 1, every third on a logarithmic scale."""
    one = {"type": "float", "init_value": 0.5, "greater_than": 1e-3, "lower_than": 1.0}
    return load_space(
        {"param_list": [{"name": f"x{n}", **one, "log": n % 3 == 0} for n in range(count)]}
    )


def mixed(params: Mapping[str, Value]) -> float:
    """A score of the MIXED space: best at units 40, lr 0.01, optimizer adam."""
    distance = abs(math.log10(float(params["lr"])) + 2) / 3  # type: ignore[arg-type]
    units = abs(int(params["units"]) - 40) / 60  # type: ignore[arg-type]
    return 0.95 - 0.3 * distance - 0.2 * units * distance - (params["optimizer"] != "adam") * 0.05


def bowl(params: Mapping[str, Value]) -> float:
    """A score of any space of numbers; earlier ones matter more."""
    numbers = [v for v in params.values() if isinstance(v, (int, float))]
    return 1.0 - sum((float(v) - 0.4) ** 2 / (n + 1) for n, v in enumerate(numbers))


class Made:
    """The events of a run on some slots, in the order in which they happen."""

    def __init__(self, config: Config, paths: RunPaths, slots: int) -> None:
        self.config, self.paths = config, paths
        self.events: list[e.Event] = [
            e.RunCreated(BEGIN, "made", "0", describe(config), paths.where)
        ]
        self.free = [BEGIN + 1.0] * slots
        self.rng = random.Random(7)
        self.count = 0

    def create(self, params: Mapping[str, Value] | None = None, parent: int | None = None) -> int:
        number, self.count = self.count, self.count + 1
        space = self.config.space
        point = tuple(self.rng.random() for _ in space)
        params = dict(params) if params is not None else space.decode(point)
        at = min(self.free)
        popsize = self.config.popsize * self.config.repeats
        round_, member = divmod(number, popsize)
        self.events.append(e.TrialCreated(at, number, round_, member, point, params, parent))
        return number

    def start(self, trial: int, attempt: int = 1, place: int | None = None) -> tuple[int, float]:
        """Plan and submit an attempt on a slot, by default the one that is free first."""
        place = self.free.index(min(self.free)) if place is None else place
        at = self.free[place]
        self.events.append(e.AttemptPlanned(at, trial, attempt, Slot(str(place))))
        self.events.append(e.AttemptSubmitted(at, trial, attempt, {}))
        return place, at

    def end(self, trial: int, place: int, at: float, attempt: int = 1, **fields: Any) -> None:
        given = {"status": "COMPLETED", "reason": "", "score": None, "has_model": True, **fields}
        seconds = given.pop("seconds", None) or 5.0 + 20.0 * self.rng.random()
        self.events.append(e.TrialEnded(at + seconds, trial, attempt, seconds=seconds, **given))
        self.free[place] = at + seconds + 0.5

    def report(self, trial: int, at: float, final: float, count: int, attempt: int = 1) -> None:
        for step in range(count):
            score = final * (1.0 - 0.6 * math.exp(-3.0 * (step + 1) / count))
            score += 0.01 * self.rng.gauss(0.0, 1.0) * (step + 1 < count)
            self.events.append(
                e.Reported(at + (step + 1) / count, trial, attempt, step + 1, score, 100 * step)
            )

    def fail(self, trial: int, place: int, at: float, reason: str, attempt: int = 1) -> None:
        self.end(trial, place, at, attempt, status="FAILED", reason=reason, has_model=False)

    def log(self, trial: int, text: str) -> None:
        round_, member = divmod(trial, self.config.popsize * self.config.repeats)
        path = self.paths.trial_log(round_, member)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def write(self) -> None:
        created, *others = self.events
        others.sort(key=lambda event: event.at)  # of one trial they are in order already
        with contextlib.closing(SqliteJournal(self.paths.journal, create=True)) as journal:
            journal.append([created, *others])


@contextlib.contextmanager
def making(
    directory: Path, space: Space | None = None, slots: int = 4, **config: Any
) -> Iterator[Made]:
    """A run in a new directory, written at the end of the block."""
    directory.mkdir(mode=0o700, parents=True)
    where = {"script": "/project/train.py", "working_dir": "/project", "script_options": ()}
    whole = config_of(space or load_space(MIXED), **{**where, "popsize": 10, **config})
    made = Made(whole, RunPaths(directory), slots)
    yield made
    made.write()


def make_run(
    directory: Path,
    trials: int,
    space: Space | None = None,
    score: Score = mixed,
    *,
    reports: int = 10,
    failing: int = 0,
    stopping: int = 0,
    losing: int = 0,
    logs: bool = True,
    is_over: bool = True,
    **config: Any,
) -> Path:
    """A run of so many trials; every n-th one fails, is stopped early, or loses its first attempt.

    With `is_over` false the last four trials are still running.
    """
    with making(directory, space, max_trials=trials or None, **config) as made:
        for number in range(trials):
            trial = made.create()
            params = next(
                event.params for event in reversed(made.events)
                if isinstance(event, e.TrialCreated)
            )  # fmt: skip
            place, at = made.start(trial)
            attempt = 1
            if losing and number % losing == losing - 1:
                made.events.append(e.AttemptLost(at + 2.0, trial, 1, "runner_died"))
                made.free[place] = at + 4.0
                place, at = made.start(trial, attempt := 2, place)
            final = score(params) + 0.01 * made.rng.gauss(0.0, 1.0)
            if logs:
                made.log(trial, f"epoch 1\ntrial {trial}\n")
            if failing and number % failing == failing - 1:
                error = "CUDA out of memory" if number % 2 else "ValueError: bad <b>value</b>"
                if logs:
                    made.log(trial, f"epoch 1\nTraceback ...\n{error}\n")
                made.fail(trial, place, at, "oom" if number % 2 else "exit:1", attempt)
                continue
            made.report(trial, at, final, reports, attempt)
            if not is_over and number >= trials - 4:
                made.free[place] = math.inf
            elif stopping and number % stopping == stopping - 1:
                made.events.append(e.StopRequested(at + 2.0, trial, attempt, "medianstop"))
                made.end(
                    trial, place, at, attempt, seconds=3.0, status="STOPPED",
                    reason="medianstop", score=final - 0.1, estimate=final, has_model=False,
                )  # fmt: skip
            else:
                made.end(trial, place, at, attempt, score=final)
        if is_over:
            made.events.append(e.RunEnded(max(made.free), "done"))
    return directory
