"""The frozen configuration of a run; `build` makes it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autofinetune.config.option import (
    PLACES,
    SCORE,
    SEARCH,
    SECONDS,
    START,
    TIME,
    TRIALS,
    command,
    file_name,
    flag,
    label,
    logs,
    number,
    one_of,
    option,
    pairs,
    preloaded,
    store_url,
    text,
    whole,
)
from autofinetune.config.passing import OPTIONS
from autofinetune.config.placement import Placement
from autofinetune.config.program import Program
from autofinetune.config.safety import Safety
from autofinetune.config.scoring import Scoring
from autofinetune.config.script_args import unmarked, warm_words
from autofinetune.core.status import Direction

if TYPE_CHECKING:
    from pathlib import Path

    from autofinetune.space import Space, Value

SAVED_PARAMS_DIR, MODEL_PATH = OWN_OPTIONS = ("saved_params_dir", "model_path")
MOST_TRIALS = 1_000_000
ASKED = "ask"
"""The executor of a run whose trials are handed out by `autofinetune ask`."""
SLURM = "slurm"
"""The executor whose trials are jobs of Slurm; also the `gpu` of a run that names none."""
RAY = "ray"
"""The executor whose trials are actors of Ray; also the `gpu` of a run that names none."""
_COUNT = whole(1)


def engine_of(executor: str) -> str:
    """Return the name of the engine in `--executor`, without the address of a Ray cluster."""
    name, _, address = executor.partition(":")
    return name if name == RAY and address else executor


def _direction(value: Any) -> Direction:
    return Direction(one_of(*(one.value for one in Direction))(getattr(value, "value", value)))


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that determines what a run does, except its output directory.

    Fields that are options are documented by their help text. The other fields:

    Args:
        script: the training script; empty if `program` has a command.
        python: the interpreter of the script.
        script_args: words for train.py; each `--key=value`, or as typed; see `as_options`.
        script_options: the options that `train.py --help` lists; None if it was not run.
        enqueued: configurations to try first.
        earlier: for each earlier run to learn from, its trials as {"params", "merit"}.
        replayed: configurations to train one after the other, each continuing the model of the
            previous one; if there are any, nothing is searched.
        program: what a trial runs instead of a train.py.
    """

    script: str
    space: Space
    working_dir: str
    python: str
    popsize: int = option("N", SEARCH, "candidates per round", _COUNT, 5, is_basic=True)
    round: int = option("N", SEARCH, "number of rounds", _COUNT, 10, is_basic=True)
    max_trials: int | None = option(
        "N", SEARCH, "total number of trials; overrides --round", _COUNT, unset="popsize x round"
    )
    tuning_strategy: str = option(
        "NAME", SEARCH,
        "search algorithm: pshe2 (Hamiltonian moves with perturbation), hazero (CMA-ES), tpe, gp, "
        "anneal, evolution, metis, ppo, pbt, random, grid, batch, optuna:TPESampler, ...; "
        "`autofinetune strategies` describes them",
        text, "pshe2", is_basic=True,
    )  # fmt: skip
    strategy_options: Mapping[str, str] = option(
        "NAME=VALUE,...", SEARCH,
        "settings of the search algorithm, such as step=0.4,design=15",
        pairs, {}, unset="none",
    )  # fmt: skip
    schedule: str = option(
        "WORD", SEARCH,
        "async: a free slot gets a new trial immediately; round: each round waits for the "
        "previous one, and equal seeds give equal searches",
        text, "async",
    )  # fmt: skip
    seed: int = option(
        "N", SEARCH, "makes the search repeatable, with --schedule=round",
        whole(0), 0, unset="random, and recorded", is_basic=True,
    )  # fmt: skip
    repeats: int = option(
        "N", SEARCH, "train each configuration N times and use the mean, for noisy scores",
        _COUNT, 1,
    )  # fmt: skip
    direction: Direction = option(  # noqa: RUF009  a field
        "WORD", SCORE, "maximize or minimize the score",
        _direction, Direction.MAXIMIZE,
    )  # fmt: skip
    target_score: float | None = option(
        "X", SCORE, "stop starting trials once this score is reached", number(), unset="none"
    )
    gpu: str = option(
        "IDS", PLACES, "cards such as 0,1 or their UUIDs; cpu, cpu:4, auto, auto:4", text,
        unset="required", is_basic=True,
    )  # fmt: skip
    executor: str = option(
        "NAME", PLACES,
        "what runs the trials; local: this machine; slurm: jobs of a Slurm cluster; ray or "
        "ray:HOST:PORT: nodes of a Ray cluster",
        text, "local",
    )  # fmt: skip
    preload: str = option(
        "MODULES", PLACES,
        "import these modules once, such as torch,transformers, and fork each trial from there; "
        "auto: what train.py imports",
        preloaded, "none",
    )  # fmt: skip
    evaluator: str = option(
        "NAME", TRIALS,
        "what trials start from; fulltrail: nothing; populationbased: good models of earlier "
        "rounds",
        text, "populationbased", is_basic=True,
    )  # fmt: skip
    exploit: str = option(
        "RULE", TRIALS,
        "which models populationbased continues; truncation: each member continues its own, and "
        "the worst members those of the best; surrogate: what promises most, which may also be a "
        "new training or a change; better_half: those of the better half",
        one_of("truncation", "surrogate", "better_half"), "truncation",
    )  # fmt: skip
    warm_args: tuple[str, ...] | None = option(
        "WORDS", TRIALS, "extra options for a trial that continues a model",
        warm_words, unset="--epochs=1 if train.py has it",
    )  # fmt: skip
    nni_wire: bool = option(
        "", TRIALS,
        "for scripts that use NNI: pass hyperparameters by get_next_parameter, not as options",
        flag, False,
    )  # fmt: skip
    max_seconds: float | None = option(
        "SECONDS", TIME, "start no more trials after this many seconds of running time",
        SECONDS, unset="no limit",
    )  # fmt: skip
    on_timeout: str = option(
        "WHAT", TIME,
        "when --max_seconds is reached, drain: let running trials finish; kill: end them",
        one_of("drain", "kill"), "drain",
    )  # fmt: skip
    trial_timeout: float | None = option(
        "SECONDS", TIME, "end a trial that takes longer", SECONDS, unset="no limit"
    )
    assessor: str = option(
        "NAME", TIME,
        "stop hopeless trials early: surrogate, medianstop, curvefitting, asha, hyperband, none, "
        "or auto: surrogate if the strategy learns from reports; `autofinetune assessors` "
        "describes them",
        text, "none",
    )  # fmt: skip
    assessor_options: Mapping[str, str] = option(
        "NAME=VALUE,...", TIME, "settings of the assessor, such as start_step=3",
        pairs, {}, unset="none",
    )  # fmt: skip
    stop_grace: float = option(
        "SECONDS", TIME, "how long a stopped trial may take to exit before it is killed",
        number(least=0, what="a number of seconds of at least 0"), 30.0,
    )  # fmt: skip
    log_to: tuple[str, ...] = option(
        "NAMES", START,
        "where else the run is logged: visualdl, tensorboard, mlflow, wandb, trackio, names that "
        "other packages add, or none; several with commas (docs/log_to.md)",
        logs, ("visualdl",),
    )  # fmt: skip
    name: str = option(
        "TEXT", START, "label of the run in status and reports", label, "", unset="none"
    )
    on_end: str = option(
        "CMD", START, "run this command when the run has ended, with JSON on its standard input",
        command, "", unset="none",
    )  # fmt: skip
    on_best: str = option(
        "CMD", START, "run this command for each new best trial, with JSON on its standard input",
        command, "", unset="none",
    )  # fmt: skip
    store: str = option(
        "URL", START,
        "keep a copy of the run there as it proceeds: s3://bucket/run, gs://, sftp://, file://, "
        "or aistore://folder; `autofinetune pull` brings it back (docs/store.md)",
        store_url, "", unset="none",
    )  # fmt: skip
    store_wait: float = option(
        "SECONDS", START, "how long the end of a run waits for what is not in the store yet",
        number(least=0, what="a number of seconds of at least 0"), 600.0,
    )  # fmt: skip
    secrets: str = option(
        "FILE", START,
        "keys of the store: a Kubernetes Secret or an .s3cfg; FILE#NAME if it holds several",
        file_name, "", unset="from the environment",
    )  # fmt: skip
    script_args: tuple[str, ...] = ()
    script_options: tuple[str, ...] | None = None
    enqueued: tuple[Mapping[str, Value], ...] = ()
    earlier: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    replayed: tuple[Mapping[str, Value], ...] = ()
    passing: str = OPTIONS
    program: Program = Program()  # noqa: RUF009  frozen itself
    safety: Safety = Safety()  # noqa: RUF009  frozen itself
    placement: Placement = Placement()  # noqa: RUF009  frozen itself
    scoring: Scoring = Scoring()  # noqa: RUF009  frozen itself

    @property
    def members_have_models(self) -> bool:
        """Whether the strategy names the model that each candidate continues.

        False with repeats: several trials of one configuration leave no single model to continue.
        """
        return self.exploit != "better_half" and self.repeats == 1

    @property
    def planned(self) -> int:
        """The planned number of trials."""
        return self.max_trials or self.popsize * self.round * self.repeats

    @property
    def args(self) -> tuple[str, ...]:
        """`script_args` as trials get them."""
        return tuple(unmarked(self.script_args))

    @property
    def script_path(self) -> Path:
        from pathlib import Path  # on use: `--help` has no need of it

        return Path(self.working_dir, self.script)

    @property
    def called(self) -> str:
        """The name of what a trial runs, for messages."""
        return self.script or shlex.join(self.program.command[:2])

    def with_script_options(self, options: Collection[str]) -> Config:
        return dataclasses.replace(self, script_options=tuple(sorted(options)))

    def option(self, name: str) -> Any:
        """Return the value of an option of this Config or of one of its parts."""
        parts = (self, self.safety, self.placement, self.scoring)
        return next(getattr(part, name) for part in parts if hasattr(part, name))
