"""Budgets and breakers: how many failures are tolerated, and what happens then. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
from autofinetune.core.state import State, Status, Trial

LATER_FACTOR = 3  # once a trial has completed, this many times `max_failures` stop the run


@dataclass(frozen=True)
class Safety:
    """How a run handles failures; the fields are documented by their help text.

    `max_retries` maps the kind of a reason (`exit` for `exit:3`) to a number of retries.
    """

    max_retries: Mapping[str, int] = option(
        "N|PAIRS", FAILURES,
        "how many times to retry a failed trial: a number for every reason, or a number per "
        "reason such as oom:1,timeout:2",
        retries, DEFAULT_RETRIES,
    )  # fmt: skip
    max_failures: int = option(
        "N", FAILURES,
        "stop the run after N trials in a row failed within 10 s of starting; three times as many "
        "once a trial has completed; 0: never",
        whole(0, note=" (0: never stop)"), 3,
    )  # fmt: skip
    strict_exit: bool = option(
        "", FAILURES, "count a result only if train.py then exits with code 0", flag, False
    )
    min_free_gb: float = option(
        "GIB", FAILURES, "start no trial while less disk space is free", GIGABYTES, 1.0
    )
    min_free_gpu_gb: float = option(
        "GIB", PLACES, "start no trial on a card with less free memory", GIGABYTES, 0.0
    )
    lease_dir: str = option(
        "DIR", PLACES, "runs that name the same directory take turns on each card",
        text, "", unset="no waiting",
    )  # fmt: skip
    keep_models: str = option(
        "WHICH", TRIALS,
        "which models stay on disk: all, best or top:K; best and top:K also keep models that may "
        "still be continued",
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
        """The number of best models that are kept at least; None for all."""
        if self.keep_models == "all":
            return None
        return int(self.keep_models.partition(":")[2] or 1)

    def may_retry(self, trial: Trial, reason: str) -> bool:
        """Return whether a trial that failed with `reason` is retried."""
        kind = kind_of(reason)
        tried = sum(kind_of(earlier) == kind for earlier in trial.lost)
        return tried < self.max_retries.get(kind, 0)

    def is_broken(self, state: State) -> bool:
        """Return whether too many trials in a row failed fast to continue the search."""
        has_result = state.counts[Status.COMPLETED] + state.counts[Status.STOPPED] > 0
        limit: int = self.max_failures * (LATER_FACTOR if has_result else 1)
        return 0 < limit <= state.fast_failures


def kind_of(reason: str) -> str:
    """Return the kind of a reason: `exit` for `exit:3`."""
    return reason.partition(":")[0]
