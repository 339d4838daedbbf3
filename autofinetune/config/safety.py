"""Budgets and breakers: what may go wrong how often, and what happens then. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autofinetune.config.option import (
    DEFAULT_RETRIES,
    FAILURES,
    GIGABYTES,
    PLACES,
    TRIALS,
    flag,
    kept_models,
    one_of,
    option,
    retries,
    text,
    whole,
)
from autofinetune.core.trials import Status

if TYPE_CHECKING:
    from autofinetune.core.state import State
    from autofinetune.core.trials import Trial

LATER_FACTOR = 3  # once a trial has completed, this many times more failures stop the run


@dataclass(frozen=True)
class Safety:
    """How a run meets failures.

    `max_retries` maps the kind of a reason (`exit` for `exit:3`) to how often a trial that ends so
    is tried again. `max_failures` fast failures in a row stop the run, 0 never does. Below
    `min_free_gb` GiB of free disk no trial is started, nor on a card with less than
    `min_free_gpu_gb` GiB. Runs that share a `lease_dir` take turns on each card. With
    `strict_exit` a result counts only if the script then exits with 0. `keep_models` is `all`,
    `best` or `top:K`. `on_tuner_death` is `adopt` (trials go on and are taken over) or `kill`.
    """

    max_retries: Mapping[str, int] = option(
        "N|PAIRS", FAILURES,
        "how often a failed trial is tried again, for every reason or by reason, such as "
        "oom:1,timeout:2",
        retries, DEFAULT_RETRIES,
    )  # fmt: skip
    max_failures: int = option(
        "N", FAILURES,
        "stop the run after N failures in a row within 10 s of starting, three times as many once "
        "a trial has completed; 0: never",
        whole(0, note=" (0: never stop)"), 3,
    )  # fmt: skip
    strict_exit: bool = option(
        "", FAILURES, "a result counts only if train.py then exits with 0", flag, False
    )
    min_free_gb: float = option(
        "GIB", FAILURES, "start no trial while less disk space is free", GIGABYTES, 1.0
    )
    min_free_gpu_gb: float = option(
        "GIB", PLACES, "start no trial on a card with less free memory", GIGABYTES, 0.0
    )
    lease_dir: str = option(
        "DIR", PLACES, "runs that name the same directory take turns on each card",
        text, "", unset="they do not wait",
    )  # fmt: skip
    keep_models: str = option(
        "WHICH", TRIALS,
        "which models stay on disk: all; best or top:K remove models that can no longer be "
        "continued either",
        kept_models, "all",
    )  # fmt: skip
    on_tuner_death: str = option(
        "WHAT", FAILURES,
        "if the tuner is killed, adopt: running trials continue, and `resume` adopts them; kill: "
        "they end with it",
        one_of("adopt", "kill"), "adopt",
    )  # fmt: skip

    @property
    def kept_models(self) -> int | None:
        """How many of the best models are kept at least; None for all."""
        if self.keep_models == "all":
            return None
        return int(self.keep_models.partition(":")[2] or 1)

    def may_retry(self, trial: Trial, reason: str) -> bool:
        """Whether a trial that ended with `reason` is tried again."""
        kind = kind_of(reason)
        tried = sum(kind_of(earlier) == kind for earlier in trial.lost)
        return tried < self.max_retries.get(kind, 0)

    def is_broken(self, state: State) -> bool:
        """Whether so many trials failed fast in a row that going on would burn the search."""
        has_result = state.counts[Status.COMPLETED] + state.counts[Status.STOPPED] > 0
        limit: int = self.max_failures * (LATER_FACTOR if has_result else 1)
        return 0 < limit <= state.fast_failures


def kind_of(reason: str) -> str:
    """`exit` of `exit:3`."""
    return reason.partition(":")[0]
