"""What an ask costs beyond the strategy itself, after so many trials of a study.

Times are CPU time of the thread, so that other work on the machine does not count.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from autofinetune.integration.optuna import follower
from autofinetune.strategies import Candidate, Strategy

ASKS = 15
STRATEGIES = ("pshe2", "hazero", "tpe", "random")


def objective(trial: Any) -> float:
    """Return a score for ten parameters of all kinds, one of which depends on a choice."""
    total = sum(trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(5))
    total += trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    total += trial.suggest_int("layers", 1, 8) + trial.suggest_int("units", 16, 512, step=16)
    if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
        total += trial.suggest_float("momentum", 0.0, 0.99)
    return float(total)


class Watch:
    """Adds up the time that passes inside a strategy."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*args: Any, **keywords: Any) -> Any:
            began = time.thread_time()
            try:
                return call(*args, **keywords)
            finally:
                self.seconds += time.thread_time() - began

        return inner


class Timed:
    """A strategy whose methods are timed."""

    def __init__(self, strategy: Strategy, watch: Watch) -> None:
        self.ask: Callable[[int], list[Candidate]] = watch.timed(strategy.ask)
        self.restore = watch.timed(strategy.restore)
        self.tell = watch.timed(strategy.tell)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Time the strategies that samplers create meanwhile."""
    create: Any = vars(follower)["create_strategy"]
    made = watch.timed(create)
    vars(follower)["create_strategy"] = lambda *a, **k: Timed(made(*a, **k), watch)
    try:
        yield
    finally:
        vars(follower)["create_strategy"] = create


def run(trials: int) -> list[str]:
    """Return a Markdown table; times are medians in milliseconds of CPU time."""
    import optuna

    from autofinetune.integration.optuna import StrategySampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines = [
        f"| strategy | storage | an ask at {trials} trials | the strategy | Optuna's storage | "
        "the rest | the rest, new sampler |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in STRATEGIES:
        for kind in ("memory", "sqlite"):
            with tempfile.TemporaryDirectory() as folder:
                url = f"sqlite:///{folder}/study.db" if kind == "sqlite" else None
                study = optuna.create_study(storage=url, sampler=optuna.samplers.RandomSampler(0))
                study.optimize(objective, n_trials=trials)
                study.sampler = StrategySampler(name, seed=0)
                watch, stored = Watch(), Watch()
                for call in ("get_all_trials", "set_trial_system_attr"):
                    setattr(study._storage, call, stored.timed(getattr(study._storage, call)))
                with watched(watch):
                    warm = [_ask(study, watch, stored) for _ in range(ASKS)][1:]
                    cold = []
                    for seed in range(3):
                        study.sampler = StrategySampler(name, seed=seed)
                        cold.append(_ask(study, watch, stored))
            parts = [median(part) for part in zip(*warm, strict=True)]
            parts.append(median(rest for *_, rest in cold))
            numbers = " | ".join(f"{1000 * part:.1f}" for part in parts)
            lines.append(f"| {name} | {kind} | {numbers} |")
    return lines


def _ask(study: Any, watch: Watch, stored: Watch) -> tuple[float, float, float, float]:
    """Run a trial; return the seconds of its choice, and what they went to.

    That is the strategy, Optuna's storage, and the rest.
    """
    trial = study.ask()
    before = watch.seconds, stored.seconds
    began = time.thread_time()
    _ = trial.relative_params  # what the first suggestion of a trial causes
    spent = time.thread_time() - began
    own, storing = watch.seconds - before[0], stored.seconds - before[1]
    study.tell(trial, objective(trial))
    return spent, own, storing, spent - own - storing
