"""One frozen Config per run, and its form on disk; `configure.py` makes it from options."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.defaults import DEFAULTS
from autofinetune.errors import ConfigError
from autofinetune.passing import CALLS, OPTIONS
from autofinetune.placement import Placement, read_placement
from autofinetune.program import Program, read_program
from autofinetune.safety import Safety, read_safety
from autofinetune.scoring import Scoring, read_scoring
from autofinetune.space import Space, Value, load_space
from autofinetune.state import Direction

SAVED_PARAMS_DIR, MODEL_PATH = OWN_OPTIONS = ("saved_params_dir", "model_path")
MOST_TRIALS = 1_000_000
ON_TIMEOUT = ("drain", "kill")
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
        """The Config that `describe` wrote; raises ConfigError when the space is damaged."""
        warm, options = described["warm_args"], described["script_options"]
        return cls(
            script=described["script"],
            space=load_space({"param_list": described["param_list"]}),
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
            enqueued=tuple(described.get("enqueued", ())),
            earlier=tuple(tuple(run) for run in described.get("earlier", ())),
            assessor=described.get("assessor", DEFAULTS["assessor"]),
            assessor_options=described.get("assessor_options", {}),
            stop_grace_s=described.get("stop_grace", DEFAULTS["stop_grace"]),
            max_seconds=described.get("max_seconds"),
            on_timeout=described.get("on_timeout", DEFAULTS["on_timeout"]),
            exploit=described.get("exploit", "better_half"),
            replayed=tuple(described.get("replayed", ())),
            preload=described.get("preload", DEFAULTS["preload"]),
            nni_wire=described.get("nni_wire", False),
            passing=described.get("passing") or usual_passing(described.get("nni_wire", False)),
            program=read_program(described, _no_mistake),
            trials=described.get("max_trials"),
            target_score=described.get("target_score"),
            scoring=read_scoring(described, _no_mistake),
        )


def usual_passing(nni_wire: bool) -> str:
    """How a script gets hyperparameters, as long as nobody has looked at it."""
    return CALLS if nni_wire else OPTIONS


def planned_trials(described: Mapping[str, Any]) -> int:
    """How many trials a described run is to have."""
    whole: int = described["popsize"] * described["round"] * described.get("repeats", 1)
    return described.get("max_trials") or whole


def _no_mistake(sentence: str) -> None:
    raise ConfigError("the journal's configuration", [sentence])
