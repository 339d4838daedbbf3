"""Budgets and breakers: what may go wrong how often, and what happens then. Pure."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.config.defaults import DEFAULTS
from autofinetune.core.state import State, Status, Trial

RETRY_REASONS = (
    "exit",
    "signal",
    "oom",
    "timeout",
    "no_result",
    "no_metric",
    "nan",
    "spawn",
    "runner_lost",
)
LATER_FACTOR = 3  # once a trial has completed, this many times more failures stop the run
_KEEP = re.compile(r"all|best|top:([1-9][0-9]{0,5})\Z")


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

    max_retries: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: _retries(DEFAULTS["max_retries"])
    )
    max_failures: int = DEFAULTS["max_failures"]
    min_free_gb: float = DEFAULTS["min_free_gb"]
    min_free_gpu_gb: float = DEFAULTS["min_free_gpu_gb"]
    lease_dir: str = DEFAULTS["lease_dir"]
    strict_exit: bool = DEFAULTS["strict_exit"]
    keep_models: str = DEFAULTS["keep_models"]
    on_tuner_death: str = DEFAULTS["on_tuner_death"]

    @property
    def kept_models(self) -> int | None:
        """How many of the best models are kept at least; None for all."""
        if self.keep_models == "all":
            return None
        found = _KEEP.match(self.keep_models)
        assert found is not None
        return int(found[1] or 1)

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

    def describe(self) -> dict[str, Any]:
        """The options that `read_safety` reads back."""
        described = dataclasses.asdict(self)
        described["max_retries"] = ",".join(f"{k}:{n}" for k, n in self.max_retries.items())
        return described


def kind_of(reason: str) -> str:
    """`exit` of `exit:3`."""
    return reason.partition(":")[0]


def read_safety(options: Mapping[str, Any], mistake: Callable[[str], None]) -> Safety:
    """The Safety that options give, by their long names; mistakes are told one by one."""
    known = {f.name: options[f.name] for f in dataclasses.fields(Safety) if f.name in options}
    values = {name: value for name, value in known.items() if value is not None}
    readers: Mapping[str, Callable[[str], Any]] = {
        "max_retries": _with_default_retries,
        "max_failures": _count,
        "min_free_gb": _gigabytes,
        "min_free_gpu_gb": _gigabytes,
        "lease_dir": str,
        "strict_exit": _flag,
        "keep_models": _keep,
        "on_tuner_death": _on_death,
    }
    read: dict[str, Any] = {}
    for name, value in values.items():
        try:
            read[name] = readers[name](str(value))
        except ValueError as error:
            mistake(f"--{name}={value} {error}")
    return Safety(**read)


def _retries(text: str) -> dict[str, int]:
    """`2` for every reason, or `oom:1,timeout:2`."""
    if text.isascii() and text.isdigit():
        return dict.fromkeys(RETRY_REASONS, int(text))
    found = {}
    for part in filter(None, text.split(",")):
        kind, _, count = part.partition(":")
        if kind not in RETRY_REASONS or not (count.isascii() and count.isdigit()):
            raise ValueError(
                "must be a number, or pairs such as oom:1,timeout:2 of these reasons: "
                + ", ".join(RETRY_REASONS)
            )
        found[kind] = int(count)
    return found


def _with_default_retries(text: str) -> dict[str, int]:
    return {**_retries(DEFAULTS["max_retries"]), **_retries(text)}


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("must be a whole number of at least 0 (0: never stop)")
    return int(text)


def _gigabytes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError("must be a number of GiB of at least 0")
    return number


def _flag(text: str) -> bool:
    if text not in ("True", "False"):
        raise ValueError("must be true or false")
    return text == "True"


def _keep(text: str) -> str:
    if not _KEEP.match(text):
        raise ValueError("must be all, best, or top:K such as top:5")
    return text


def _on_death(text: str) -> str:
    if text not in ("adopt", "kill"):
        raise ValueError("must be adopt or kill")
    return text
