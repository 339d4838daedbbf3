"""`hyperparameter_search(trainer, ...)`: Trainer's own method, with a process for each trial."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autofinetune.api import open_run, tune
from autofinetune.core.state import Trial
from autofinetune.core.status import Direction, Status
from autofinetune.errors import AllTrialsFailed, Mistake, UsageError
from autofinetune.library import Library
from autofinetune.run.result import Result
from autofinetune.store.paths import RunPaths

from .checkpoints import SEARCH, RunDirectories
from .lines import Lines
from .search_trial import SearchTrial
from .space import check_space, default_hp_space, read_space

if TYPE_CHECKING:
    from transformers.trainer_utils import BestRun

    from .trial import Job

TRANSFORMERS = Library("transformers", "4.46", "autofinetune[transformers]")
FINALS = LAST, BEST = ("last", "best")
KEPT = ALL, BEST, NONE = ("all", "best", "none")
PRELOADED = "transformers:Trainer"


def hyperparameter_search(
    trainer: Any,
    hp_space: Any = None,
    compute_objective: Callable[[Mapping[str, float]], float] | None = None,
    n_trials: int = 20,
    direction: str = "minimize",
    backend: str | None = None,
    hp_name: Callable[[Any], str] | None = None,
    *,
    gpu: str | Sequence[int] = "auto",
    output_dir: str | os.PathLike[str] | None = None,
    final: str = LAST,
    keep_checkpoints: str = ALL,
    resume: bool = False,
    progress: bool = True,
    on_trial: Callable[[Trial], None] | None = None,
    **options: Any,
) -> BestRun:
    """Search hyperparameters of a Trainer; arguments and result are those of its own method.

    Each trial is a new process with its own cards, where the Trainer is made again as if its
    script had the hyperparameters in TrainingArguments: they and the seed are set before
    `model_init` is called. The Trainer that is given does not change. Every evaluation is
    reported, so that an assessor can stop trials early.

    Args:
        trainer: a Trainer with `model_init`, a function of no parameter or of the trial: a dict
            of the hyperparameters, also with `params` and `suggest_...` as in Optuna.
        hp_space: a function of the trial, in the style of Optuna, Ray Tune or W&B; by default
            that of transformers for Optuna.
        compute_objective: makes the score of the metrics of an evaluation; by default
            `transformers.trainer_utils.default_compute_objective`.
        n_trials: the number of trials.
        direction: `minimize` or `maximize`.
        backend: the style of `hp_space`, to check it: `optuna`, `ray` or `wandb`.
        hp_name: a function of the trial that names the directory of its checkpoints, by default
            `run-<number>`.
        gpu: the cards, such as `0,1`; `cpu:4` for four trials at once; `auto` for all cards, or
            one trial at a time without any.
        output_dir: where the directories of the checkpoints are, by default the `output_dir` of
            the TrainingArguments; the run with its journal and `best_model` is in `search` there.
        final: whether the last or the best evaluation is the score of a trial.
        keep_checkpoints: whose checkpoints and model stay on disk: of all trials, of the best one,
            or of none but `best_model`.
        resume: whether to continue the search in `output_dir`, if there is one.
        progress: whether to write a line for each finished trial.
        on_trial: called with each finished trial.
        **options: other options of `autofinetune.tune`, such as `assessor="asha"`,
            `tuning_strategy="tpe"`, `gpus_per_trial=2`, `seed=1`.

    Returns:
        The best run; its `run_summary` is the result of `tune`, with `trials`, `dataframe()`,
        `best_model` and `output_dir`.

    Raises:
        UsageError: an argument cannot be used; nothing was started.
        EnvironmentProblem: a library or something else on this machine is missing or failed.
        DirectoryBusy: another search is running in the directory.
        AllTrialsFailed: no trial has a score.
    """
    TRANSFORMERS.check("hyperparameter_search")
    from transformers.trainer_utils import BestRun

    from .trial import takes_trial

    _check(trainer, direction, final, keep_checkpoints, options)
    space, found = read_space(default_hp_space if hp_space is None else hp_space, backend)
    at = Path(trainer.args.output_dir if output_dir is None else output_dir).absolute()
    job = _job(trainer, compute_objective, RunDirectories(at, hp_name), direction, final)
    check_space(space, trainer.args, takes_trial=takes_trial(job.model_init))
    search = at / SEARCH
    if not (resume and search.exists()):
        job.directories.check_free()
    lines = Lines(RunPaths(search)) if progress else None
    watch = _Watch(job, search, keep_checkpoints, lines, on_trial)
    options = {"preload": PRELOADED, **found, **options}
    with _off_the_cards(trainer):
        result = tune(
            _as_function(job), space, trials=n_trials, direction=direction, gpu=gpu,
            output_dir=search, resume=resume, progress=False, on_trial=watch.ended,
            keep_models=ALL if keep_checkpoints == ALL else BEST, **options,
        )  # fmt: skip
    best = result.best
    if best is None:
        raise AllTrialsFailed(f"no trial has finished: {result.reason}", "continue: resume=True")
    watch.tidy(result, best)
    return BestRun(str(best.id), best.score, dict(best.params), run_summary=result)


def _check(
    trainer: Any, direction: str, final: str, kept: str, options: Mapping[str, Any]
) -> None:
    """Raise UsageError for arguments that cannot be used."""
    for name, value, allowed in (
        ("direction", direction, [one.value for one in Direction]),
        ("final", final, FINALS),
        ("keep_checkpoints", kept, KEPT),
    ):
        if value not in allowed:
            why = f"must be {' or '.join(allowed)}"
            raise UsageError(Mistake(name, why, value).worded())
    if getattr(trainer, "model_init", None) is None:
        raise UsageError(
            "the Trainer has no model_init, and every trial begins with a new model",
            "make it by Trainer(model_init=...) with a function that returns the model",
        )
    if trainer.args.world_size > 1:
        raise UsageError(
            f"this is one of {trainer.args.world_size} processes of a training, each of which "
            "would begin a search",
            "start the script by python, and give gpus_per_trial=2: each trial has its own ranks",
        )
    if options.get("evaluator", "fulltrail") != "fulltrail":
        raise UsageError(
            "evaluator: trials of a Trainer with model_init begin with a new model",
            "leave it out; scripts on the command line can continue models: docs/transformers.md",
        )


def _job(
    trainer: Any, objective: Any, directories: RunDirectories, direction: str, final: str
) -> Job:
    from transformers.trainer_utils import default_compute_objective

    from .shipped import Shipped
    from .trial import Job

    return Job(
        Shipped.of(trainer),
        trainer.model_init,
        default_compute_objective if objective is None else objective,
        directories,
        final == BEST,
        direction == "maximize",
    )


def _as_function(job: Job) -> Callable[..., float | None]:
    """Return the function that trials call, named as the user knows what it stands for."""

    def trainer(hyperparameters: Mapping[str, Any], saved_params_dir: str) -> float | None:
        from autofinetune.integration.transformers.trial import run

        return run(job, hyperparameters, saved_params_dir)

    return trainer


class _Watch:
    """Follows the trials: writes their lines, and removes checkpoints as soon as they may go."""

    def __init__(
        self, job: Job, search: Path, kept: str, lines: Lines | None,
        on_trial: Callable[[Trial], None] | None,
    ) -> None:  # fmt: skip
        self._directories, self._kept = job.directories, kept
        self._search, self._run = search, ""
        self._direction = Direction.MAXIMIZE if job.is_maximized else Direction.MINIMIZE
        self._lines, self._on_trial = lines, on_trial
        self._ended: list[Trial] = []

    def ended(self, trial: Trial) -> None:
        self._ended.append(trial)
        best = max(self._ended, key=self._merit)
        if self._lines is not None:
            self._lines.tell(trial, best)
        if self._kept != ALL:
            self._run = self._run or open_run(self._search).history.run
            worse = (one for one in self._ended if self._merit(one) < self._merit(best))
            self._remove(self._ended if self._kept == NONE else worse, self._run)
        if self._on_trial is not None:
            self._on_trial(trial)

    def tidy(self, result: Result, best: Trial) -> None:
        """Remove what an earlier part of the search has left, and what was kept for a tie."""
        trials = [one for one in result.trials if self._kept == NONE or one.id != best.id]
        if self._kept != ALL:
            self._remove(trials, result.history.run)

    def _merit(self, trial: Trial) -> float:
        if trial.status is not Status.COMPLETED or trial.score is None:
            return -math.inf
        return self._direction.merit(trial.score)

    def _remove(self, trials: Iterable[Trial], run: str) -> None:
        self._directories.remove([SearchTrial(one.id, one.params) for one in trials], run)


@contextlib.contextmanager
def _off_the_cards(trainer: Any) -> Iterator[None]:
    """Move the model of this process to the CPU meanwhile, as trials need the cards."""
    model = trainer.model
    if getattr(getattr(model, "device", None), "type", "") != "cuda":
        yield
        return
    import torch

    trainer.optimizer = trainer.lr_scheduler = None  # train() makes new ones
    trainer.model_wrapped = model
    trainer.accelerator.free_memory()
    device = model.device
    model.to("cpu")
    torch.cuda.empty_cache()
    try:
        yield
    finally:
        model.to(device)
