"""What several tests build: spaces, configs, and a run in memory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from autofinetune.config.config import Config
from autofinetune.config.options import read_values
from autofinetune.core.events import Event
from autofinetune.core.state import State
from autofinetune.errors import Mistake
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import Attempt
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run.parts import make_assessor, make_search
from autofinetune.run.tuner import Tuner
from autofinetune.sinks import Sink, SinkGuard
from autofinetune.space import Space, load_space
from autofinetune.store.journal import Journal, MemoryJournal
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import STRATEGIES, Strategy, strategy_class
from autofinetune.world import World

# With which whole runs are tested; what every strategy promises is in tests/strategies.
TYPICAL = ("hazero", "pshe2", "random")
MIXED: dict[str, Any] = {
    "param_list": [
        {
            "name": "lr",
            "type": "float",
            "init_value": 0.001,
            "greater_than": 1e-5,
            "lower_than": 0.1,
            "log": True,
        },
        {"name": "units", "type": "int", "init_value": 16, "greater_than": 4, "lower_than": 64},
        {"name": "optimizer", "type": "choice", "choices": ["sgd", "adam", "lamb"]},
    ]
}


def space_of(*kinds: str) -> Space:
    """A space with one parameter of each named kind: float, log, int, small, choice."""
    entries: dict[str, dict[str, Any]] = {
        "float": {"type": "float", "init_value": 0.5, "greater_than": 0.0, "lower_than": 1.0},
        "log": {
            "type": "float",
            "init_value": 0.01,
            "greater_than": 1e-4,
            "lower_than": 1.0,
            "log": True,
        },
        "int": {"type": "int", "init_value": 5, "greater_than": 1, "lower_than": 1000},
        "small": {"type": "int", "init_value": 2, "greater_than": 1, "lower_than": 3},
        "choice": {"type": "choice", "choices": ["a", "b"]},
    }
    return load_space(
        {"param_list": [{"name": f"x{i}", **entries[kind]} for i, kind in enumerate(kinds)]}
    )


def strategy_of(config: Config) -> Strategy:
    """The strategy of a run, new."""
    return make_search(config)


def conditional_space(*, finite: bool = False) -> Space:
    """Momentum for sgd only, a schedule for adam only, and warm-up for one of the schedules.

    There are infinitely many configurations, or 3 with sgd, 2 with lamb, 4 with adam.
    """
    rate: dict[str, Any] = {"type": "float", "init_value": 0.5, "greater_than": 0, "lower_than": 1}
    entries: list[dict[str, Any]] = [
        {"name": "optimizer", "type": "choice", "choices": ["sgd", "lamb", "adam"]},
        {"name": "momentum", **rate, "only_if": {"optimizer": "sgd"}},
        {
            "name": "schedule",
            "type": "choice",
            "choices": [True, 1],
            "only_if": {"optimizer": "adam"},
        },
        {"name": "warmup", "type": "int", "init_value": 2, "greater_than": 1, "lower_than": 3}
        | {"only_if": {"schedule": 1}},
        {"name": "bias", "type": "choice", "choices": [0, 1], "only_if": {"optimizer": "lamb"}},
    ]
    if finite:
        entries[1]["step"] = 0.5
    else:
        entries.append({"name": "lr", **rate})
    return load_space({"param_list": entries})


def shared_space() -> Space:
    """A depth for trees and forests, and nothing for lines."""
    depth = {"type": "int", "init_value": 3, "greater_than": 1, "lower_than": 9}
    return load_space(
        {
            "param_list": [
                {"name": "model", "type": "choice", "choices": ["tree", "line", "forest"]},
                {"name": "depth", **depth, "only_if": {"model": ["tree", "forest"]}},
            ]
        }
    )


def drawn_space() -> Space:
    """Distributions, multiples and weights; constants and structured choices beside them."""
    return load_space(
        {
            "parameters": {
                "decay": {"distribution": "log_normal", "mu": -5, "sigma": 1},
                "share": {"distribution": "beta", "a": 2, "b": 5},
                "width": {"distribution": "q_log_uniform_values", "min": 16, "max": 512, "q": 16},
                "depth": {"distribution": "q_normal", "mu": 4, "sigma": 1, "q": 1},
                "kind": {"values": ["a", "b", [1, 2]], "probabilities": [0.6, 0.3, 0.1]},
                "epochs": {"value": 3},
            }
        }
    )


def from_init() -> list[str]:
    """Strategies that begin with the initial values; others take what is given, or all in order.

    Loads them all, with numpy, so it is called where that does no harm.
    """
    return [name for name in sorted(STRATEGIES) if strategy_class(name).begins_with_init]


def values_of(**given: object) -> dict[str, Any]:
    """The values of options that have no mistake."""
    mistakes: list[Mistake] = []
    values = read_values(given, mistakes)
    assert mistakes == []
    return values


def told(**given: object) -> list[str]:
    """The mistakes in options, in words."""
    mistakes: list[Mistake] = []
    read_values(given, mistakes)
    return [str(mistake) for mistake in mistakes]


def flush_now(sink: Sink, state: State) -> None:
    """Bring a sink up to date, what it does in the background included."""
    sink.flush(state)
    sink.close()


def config_of(space: Space | None = None, **fields: Any) -> Config:
    """A config with sensible fields; any of them can be replaced."""
    config = Config(
        script="train.py",
        space=space or load_space(MIXED),
        gpu="cpu:2",
        seed=1,
        working_dir="/",
        python="python",
        popsize=3,
        round=3,
        schedule="round",
    )
    return dataclasses.replace(config, **fields)


def options_of(attempt: Attempt) -> dict[str, str]:
    """The `--name=value` words of an attempt."""
    words = [word for word in attempt.argv if word.startswith("--")]
    return dict(word[2:].split("=", 1) for word in words)


def score_of(attempt: Attempt) -> float:
    """A smooth score of the MIXED space: best at units 40, lr 0.01."""
    options = options_of(attempt)
    lr = float(options["lr"])
    return 1.0 - abs(int(options["units"]) - 40) / 60 - abs(lr - 0.01)


def play(attempt: Attempt) -> Played:
    """A trial that saves a model and reports; its length depends on its number."""
    directory = Path(options_of(attempt)["saved_params_dir"])
    (directory / "weights").write_text(f"model of trial {attempt.trial}")
    return Played(
        final=score_of(attempt), seconds=1.0 + attempt.trial % 3, intermediate=(0.1, 0.2)
    )


class Clock:
    """A wall clock that advances one second a look."""

    def __init__(self) -> None:
        self.seconds = 1.7e9

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


def tuner_in_memory(
    root: Path,
    config: Config,
    *,
    journal: Journal | None = None,
    program: Callable[[Attempt], Played] = play,
    slots: Sequence[str] = ("a", "b"),
    sinks: Sequence[Sink] = (),
    queue_s: float = 0.0,
) -> Tuner:
    """A tuner whose trials are played, with simulated time; models are written below `root`."""
    paths = RunPaths(root)
    evaluator = EVALUATORS[config.evaluator](config)
    strategy = strategy_of(config)
    executor = MemoryExecutor(slots, program, queue_s)
    return Tuner(
        config,
        paths,
        journal if journal is not None else MemoryJournal(),
        strategy,
        evaluator,
        executor,
        SinkGuard(sinks, _raise),
        World(Clock(), monotonic=lambda: executor.now),
        make_assessor(config, strategy),
    )


def _raise(sentence: str) -> None:
    raise AssertionError(sentence)


def table(state: State) -> list[tuple[object, ...]]:
    """What a run came to, without times, slots and attempts."""
    return [
        (t.id, t.round, t.member, tuple(t.params.items()), t.parent, t.status, t.reason, t.score)
        for t in (state.trials[key] for key in sorted(state.trials))
    ]


class Recorder(Sink):
    """Keeps every event it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event, state: State) -> None:
        self.events.append(event)


@contextlib.contextmanager
def one_descriptor_left() -> Iterator[None]:
    """This process can open one more file."""
    taken: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process can grow beyond `size` bytes, as on a disk that is full."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
