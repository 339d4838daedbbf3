"""One frozen Config per run, and its form on disk; `configure.py` makes it from options."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.config.defaults import DEFAULTS
from autofinetune.config.passing import CALLS, OPTIONS, PASSING
from autofinetune.config.placement import Placement, read_placement
from autofinetune.config.program import Program, read_program
from autofinetune.config.recorded import recorded_configurations, recorded_trials
from autofinetune.config.safety import Safety, read_safety
from autofinetune.config.scoring import Scoring, read_scoring
from autofinetune.core.state import Direction
from autofinetune.errors import ConfigError
from autofinetune.space import Space, Value, load_space

SAVED_PARAMS_DIR, MODEL_PATH = OWN_OPTIONS = ("saved_params_dir", "model_path")
MOST_TRIALS = 1_000_000
ON_TIMEOUT = ("drain", "kill")
DESCRIBED_IN = "the configuration in run.db"
EXPLOITS = ("truncation", "better_half")


# The keys of a config.yaml.
DESCRIBED = frozenset({
    "script", "script_args", "gpu", "popsize", "round", "evaluator", "exploit",
    "tuning_strategy", "direction", "seed", "warm_args", "strategy_options", "schedule",
    "repeats", "enqueued", "replayed", "earlier", "trial_timeout", "assessor",
    "assessor_options", "stop_grace", "max_seconds", "on_timeout", "nni_wire", "max_trials",
    "passing",
    "target_score", "command", "env", "framework", "tasks", "max_retries", "max_failures",
    "min_free_gb", "min_free_gpu_gb", "lease_dir", "strict_exit", "keep_models",
    "on_tuner_death", "trials_per_gpu", "gpus_per_trial", "ranks_per_trial", "cpus_per_trial",
    "max_parallel", "metric", "final", "metric_pattern", "preload", "working_dir", "python",
    "script_options", "param_list",
})  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run does, except where its output lies.

    `script_args` and `warm_args` are ready for train.py (`--key=value`); `warm_args` None means
    `--epochs=1` where the script has that option. `script_options` are the options that
    `train.py --help` named, None when nobody asked. `time_limit_s` bounds one attempt. Every
    configuration is tried `repeats` times, those in `enqueued` first; `earlier` holds the trials
    of each earlier run to learn from, as {"params", "merit"}. A trial that the assessor stops is
    ended by force `stop_grace_s` later. After `max_seconds` of work no trial is created any more,
    and `on_timeout` (drain, kill) says what becomes of those that run. `exploit` says which models
    are continued where models are. With `replayed` nothing is searched: these configurations are
    trained one after the other, each with the model of the one before. `preload` says what is
    imported once for all trials: modules, `auto` or `none`. By `nni_wire` the script finds
    what NNI's trial side needs. `passing` says how it gets its hyperparameters. Where `program`
    has a command there is no `script`. `trials` bounds their number whatever the rounds are, and
    none is created once a score is as good as `target_score`. `scoring` says where scores come
    from that the script does not report itself.
    """

    script: str
    space: Space
    gpu: str
    seed: int
    working_dir: str
    python: str
    popsize: int = DEFAULTS["popsize"]
    rounds: int = DEFAULTS["round"]
    evaluator: str = DEFAULTS["evaluator"]
    tuning_strategy: str = DEFAULTS["tuning_strategy"]
    direction: Direction = Direction.MAXIMIZE
    script_args: tuple[str, ...] = ()
    warm_args: tuple[str, ...] | None = None
    time_limit_s: float | None = None
    script_options: tuple[str, ...] | None = None
    safety: Safety = Safety()  # noqa: RUF009  frozen itself
    strategy_options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    placement: Placement = Placement()  # noqa: RUF009  frozen itself
    schedule: str = DEFAULTS["schedule"]
    repeats: int = DEFAULTS["repeats"]
    enqueued: tuple[Mapping[str, Value], ...] = ()
    earlier: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    assessor: str = DEFAULTS["assessor"]
    assessor_options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    stop_grace_s: float = DEFAULTS["stop_grace"]
    max_seconds: float | None = None
    on_timeout: str = DEFAULTS["on_timeout"]
    exploit: str = DEFAULTS["exploit"]
    replayed: tuple[Mapping[str, Value], ...] = ()
    preload: str = DEFAULTS["preload"]
    nni_wire: bool = DEFAULTS["nni_wire"]
    passing: str = OPTIONS
    program: Program = Program()  # noqa: RUF009  frozen itself
    trials: int | None = None
    target_score: float | None = None
    scoring: Scoring = Scoring()  # noqa: RUF009  frozen itself

    @property
    def members_have_models(self) -> bool:
        """Whether a member goes on with its own model where models are continued.

        Several trials of one configuration have no one model to go on with.
        """
        return self.exploit == "truncation" and self.repeats == 1

    @property
    def max_trials(self) -> int:
        return self.trials or self.popsize * self.rounds * self.repeats

    @property
    def script_path(self) -> Path:
        return Path(self.working_dir, self.script)

    @property
    def called(self) -> str:
        """What a trial runs, as a person would call it."""
        return self.script or shlex.join(self.program.command[:2])

    def with_script_options(self, options: Collection[str]) -> Config:
        return dataclasses.replace(self, script_options=tuple(sorted(options)))

    def describe(self) -> dict[str, Any]:
        """Plain data from which `from_description` makes the same Config."""
        return {
            "script": self.script,
            "script_args": list(self.script_args),
            "gpu": self.gpu,
            "popsize": self.popsize,
            "round": self.rounds,
            "evaluator": self.evaluator,
            "exploit": self.exploit,
            "tuning_strategy": self.tuning_strategy,
            "direction": self.direction.value,
            "seed": self.seed,
            "warm_args": None if self.warm_args is None else list(self.warm_args),
            "strategy_options": dict(self.strategy_options),
            "schedule": self.schedule,
            "repeats": self.repeats,
            "enqueued": [dict(params) for params in self.enqueued],
            "replayed": [dict(params) for params in self.replayed],
            "earlier": [[dict(known) for known in run] for run in self.earlier],
            "trial_timeout": self.time_limit_s,
            "assessor": self.assessor,
            "assessor_options": dict(self.assessor_options),
            "stop_grace": self.stop_grace_s,
            "max_seconds": self.max_seconds,
            "on_timeout": self.on_timeout,
            "nni_wire": self.nni_wire,
            "passing": self.passing,
            "max_trials": self.trials,
            "target_score": self.target_score,
            **self.program.describe(),
            **self.safety.describe(),
            **self.placement.describe(),
            **self.scoring.describe(),
            "preload": self.preload,
            "working_dir": self.working_dir,
            "python": self.python,
            "script_options": None if self.script_options is None else list(self.script_options),
            **self.space.describe(),
        }

    @classmethod
    def from_description(cls, described: Mapping[str, Any]) -> Config:
        """The Config that `describe` wrote; raises ConfigError where something is damaged."""
        check_described(described)
        warm, options = described["warm_args"], described["script_options"]
        space = load_space({"param_list": described["param_list"]})
        return cls(
            script=described["script"],
            space=space,
            gpu=described["gpu"],
            seed=described["seed"],
            working_dir=described["working_dir"],
            python=described["python"],
            popsize=described["popsize"],
            rounds=described["round"],
            evaluator=described["evaluator"],
            tuning_strategy=described["tuning_strategy"],
            direction=Direction(described["direction"]),
            script_args=tuple(described["script_args"]),
            warm_args=None if warm is None else tuple(warm),
            time_limit_s=described["trial_timeout"],
            script_options=None if options is None else tuple(options),
            safety=read_safety(described, _no_mistake),
            placement=read_placement(described, _no_mistake),
            strategy_options=described.get("strategy_options", {}),
            schedule=described.get("schedule", "round"),
            repeats=described.get("repeats", 1),
            enqueued=recorded_configurations(described.get("enqueued", ()), space),
            earlier=recorded_trials(described.get("earlier", ()), space),
            assessor=described.get("assessor", DEFAULTS["assessor"]),
            assessor_options=described.get("assessor_options", {}),
            stop_grace_s=described.get("stop_grace", DEFAULTS["stop_grace"]),
            max_seconds=described.get("max_seconds"),
            on_timeout=described.get("on_timeout", DEFAULTS["on_timeout"]),
            exploit=described.get("exploit", "better_half"),
            replayed=recorded_configurations(described.get("replayed", ()), space, "replayed"),
            preload=described.get("preload", DEFAULTS["preload"]),
            nni_wire=described.get("nni_wire", False),
            passing=described.get("passing") or usual_passing(described.get("nni_wire", False)),
            program=read_program(described, _no_mistake),
            trials=described.get("max_trials"),
            target_score=described.get("target_score"),
            scoring=read_scoring(described, _no_mistake),
        )


def usual_passing(nni_wire: bool) -> str:
    """Return how a script gets hyperparameters before it has been examined."""
    return CALLS if nni_wire else OPTIONS


def planned_trials(described: Mapping[str, Any]) -> int:
    """How many trials a described run is to have."""
    check_described(described)
    whole: int = described["popsize"] * described["round"] * described.get("repeats", 1)
    return described.get("max_trials") or whole


def _no_mistake(sentence: str) -> None:
    raise ConfigError(DESCRIBED_IN, [sentence], JOURNAL_TIP)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= MOST_TRIALS


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 0 <= abs(value) <= sys.float_info.max  # type: ignore[arg-type]


def _are_words(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value)


def _are_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


def check_described(described: Mapping[str, Any]) -> None:
    """Raise ConfigError where a value is not of the kind that `Config.describe` writes."""
    for names, is_right, needs, may_be_none in _KINDS:
        for name in names.split():
            if name not in described and name not in _NEEDED:
                continue  # of an earlier version
            value = described.get(name)
            is_none = value is None and may_be_none and name in described
            if not is_none and not is_right(value):
                _no_mistake(f"{name}: must be {needs}, found {value!r:.60}")


JOURNAL_TIP = "the journal was changed by something else; bring back a copy of it"
# Names of keys, what their values are, in words, and whether there may be none.
_KINDS: Sequence[tuple[str, Callable[[Any], bool], str, bool]] = (
    ("script gpu evaluator exploit tuning_strategy schedule assessor on_timeout preload "
     "working_dir python metric final metric_pattern", lambda value: isinstance(value, str),
     "a text", False),
    ("passing", lambda value: value in PASSING, f"one of: {', '.join(PASSING)}", False),
    ("popsize round repeats", _is_count, f"a whole number from 1 to {MOST_TRIALS}", False),
    ("max_trials", _is_count, f"a whole number from 1 to {MOST_TRIALS}", True),
    ("seed", lambda value: type(value) is int and 0 <= value < 2**64, "a whole number", False),
    ("direction", lambda value: value in [*Direction], "maximize or minimize", False),
    ("script_args", _are_words, "a list of words", False),
    ("warm_args script_options", _are_words, "a list of words", True),
    ("strategy_options assessor_options", _are_texts, "a mapping of texts", False),
    ("stop_grace", _is_number, "a number", False),
    ("trial_timeout max_seconds target_score", _is_number, "a number", True),
    ("nni_wire", lambda value: isinstance(value, bool), "true or false", False),
    ("param_list", lambda value: isinstance(value, (list, tuple)), "a list", False),
)  # fmt: skip
_NEEDED = frozenset({
    "script", "script_args", "gpu", "popsize", "round", "evaluator", "tuning_strategy",
    "direction", "seed", "warm_args", "trial_timeout", "working_dir", "python", "script_options",
    "param_list",
})  # fmt: skip
