"""A Config as plain data: its record in a journal, and the config.yaml of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autofinetune.config.config import MOST_TRIALS, Config
from autofinetune.config.options import KEPT, parts_of, read_values
from autofinetune.config.passing import PASSING, usual_passing
from autofinetune.config.program import read_program
from autofinetune.config.recorded import recorded_configurations, recorded_trials
from autofinetune.errors import ConfigError, Mistake
from autofinetune.space import load_space

DESCRIBED_IN = "the configuration in run.db"
JOURNAL_TIP = "the journal was modified by another program; restore a copy of it"
# The keys of a config.yaml that are not options.
OTHER_KEYS = ("script", "script_args", "script_options", "working_dir", "python", "passing",
              "command", "env", "framework", "tasks", "enqueued", "replayed", "earlier",
              "param_list")  # fmt: skip
DESCRIBED = frozenset({*KEPT, *OTHER_KEYS})


def describe(config: Config) -> dict[str, Any]:
    """Return plain data from which `from_description` makes the same Config."""
    arguments = config.script_options
    return {
        "script": config.script,
        "script_args": list(config.script_args),
        **{name: _plain(config.option(name)) for name in KEPT},
        "max_retries": ",".join(f"{k}:{n}" for k, n in config.safety.max_retries.items()),
        "enqueued": [dict(params) for params in config.enqueued],
        "replayed": [dict(params) for params in config.replayed],
        "earlier": [[dict(known) for known in run] for run in config.earlier],
        "passing": config.passing,
        **config.program.describe(),
        "working_dir": config.working_dir,
        "python": config.python,
        "script_options": None if arguments is None else list(arguments),
        **config.space.describe(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    return str(value.value) if hasattr(value, "value") else value


def from_description(described: Mapping[str, Any]) -> Config:
    """Return the Config that `describe` described; raise ConfigError if that is damaged."""
    values = described_values(described)
    program = read_program(described, _damaged)
    space = load_space({"param_list": described["param_list"]})
    options = described.get("script_options")
    return Config(
        script=described["script"],
        space=space,
        working_dir=described["working_dir"],
        python=described["python"],
        script_args=tuple(described["script_args"]),
        script_options=None if options is None else tuple(options),
        enqueued=recorded_configurations(described.get("enqueued", ()), space),
        earlier=recorded_trials(described.get("earlier", ()), space),
        replayed=recorded_configurations(described.get("replayed", ()), space, "replayed"),
        passing=described.get("passing") or usual_passing(values["nni_wire"]),
        program=program,
        **parts_of(values),
    )


def described_values(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options in a description; raise ConfigError if it is damaged."""
    mistakes: list[Mistake] = []
    values = read_values(described, mistakes)
    for name, (is_right, needs) in _OTHERS.items():
        if name in described and not is_right(described[name]):
            why = f"must be {needs}, found {described[name]!r:.60}"
            mistakes.append(Mistake(name, why, part=name))
    missing = [name for name in _NEEDED if described.get(name) is None]
    mistakes += [Mistake(name, "is missing", part=name) for name in missing]
    if not mistakes and planned(values) > MOST_TRIALS:
        why = f"must be at most {MOST_TRIALS}"
        mistakes.append(Mistake("max_trials", why, planned(values)))
    if mistakes:
        raise ConfigError(DESCRIBED_IN, mistakes, JOURNAL_TIP)
    return values


def planned(values: Mapping[str, Any]) -> int:
    """Return how many trials a run with these values is to have."""
    whole: int = values["popsize"] * values["round"] * values["repeats"]
    return values["max_trials"] or whole


def _damaged(mistake: Mistake) -> None:
    raise ConfigError(DESCRIBED_IN, [mistake], JOURNAL_TIP)


def _are_words(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value)


_IS_TEXT = (lambda value: isinstance(value, str), "text")
_OTHERS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "script": _IS_TEXT,
    "working_dir": _IS_TEXT,
    "python": _IS_TEXT,
    "passing": (lambda value: value in PASSING, f"one of: {', '.join(PASSING)}"),
    "script_args": (_are_words, "a list of words"),
    "script_options": (lambda value: value is None or _are_words(value), "a list of words"),
    "param_list": (lambda value: isinstance(value, (list, tuple)), "a list"),
}
_NEEDED = ("script", "script_args", "gpu", "working_dir", "python", "param_list", "seed",
           "popsize", "round", "direction", "tuning_strategy", "evaluator")  # fmt: skip
