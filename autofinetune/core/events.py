"""Everything that happens in a run, as immutable facts in the order in which they happened.

`at` is the wall clock in seconds since 1970 (UTC) and only for people to read: order comes from
the position in the journal.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from autofinetune.core.fields import READERS

if TYPE_CHECKING:
    from autofinetune.space import Value


@dataclass(frozen=True)
class RunCreated:
    """The first event: the run exactly as configured; `where` as in `paths.RunPaths.where`."""

    at: float
    run: str
    version: str
    config: Mapping[str, Any]
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResumed:
    """A tuner took the run up again, in another directory perhaps.

    Where that one is a copy, the run in it has a name of its own from here on.
    """

    at: float
    version: str
    run: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialCreated:
    """The strategy chose a candidate; `parent` is the trial whose saved model it continues."""

    at: float
    trial: int
    round: int
    member: int
    point: tuple[float, ...]
    params: Mapping[str, Value]
    parent: int | None


@dataclass(frozen=True)
class AttemptPlanned:
    """The attempt is about to be submitted; a restart submits it again under the same name."""

    at: float
    trial: int
    attempt: int
    slot: str


@dataclass(frozen=True)
class AttemptSubmitted:
    """The executor took the attempt and knows it by `handle` (plain JSON)."""

    at: float
    trial: int
    attempt: int
    handle: Mapping[str, Any]


@dataclass(frozen=True)
class Reported:
    """An intermediate score; `offset` is where the next report begins in the trial's file."""

    at: float
    trial: int
    attempt: int
    step: int
    score: float
    offset: int


@dataclass(frozen=True)
class StopRequested:
    """The attempt was asked to end; whatever it still does, its trial ends as STOPPED."""

    at: float
    trial: int
    attempt: int
    reason: str


@dataclass(frozen=True)
class AttemptLost:
    """The attempt does not count; the trial goes back to the queue."""

    at: float
    trial: int
    attempt: int
    reason: str


@dataclass(frozen=True)
class TrialEnded:
    """The trial is over. `status` is COMPLETED, FAILED or STOPPED; a failed one has no score.

    The `score` of a stopped trial is the last one on the way, and `estimate` what it would have
    come to, which is what the strategy is told.
    """

    at: float
    trial: int
    attempt: int
    status: str
    reason: str
    score: float | None
    seconds: float
    has_model: bool
    estimate: float | None = None


@dataclass(frozen=True)
class SlotQuarantined:
    """No trial is started on this slot any more in this life of the run."""

    at: float
    slot: str
    reason: str


@dataclass(frozen=True)
class RunEnded:
    """The run is over: `reason` is one of `run_state.REASONS`, or `error:` and a sentence.

    It may be resumed.
    """

    at: float
    reason: str


Event: TypeAlias = (
    RunCreated
    | RunResumed
    | TrialCreated
    | AttemptPlanned
    | AttemptSubmitted
    | Reported
    | StopRequested
    | AttemptLost
    | TrialEnded
    | SlotQuarantined
    | RunEnded
)

KINDS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RunCreated,
        RunResumed,
        TrialCreated,
        AttemptPlanned,
        AttemptSubmitted,
        Reported,
        StopRequested,
        AttemptLost,
        TrialEnded,
        SlotQuarantined,
        RunEnded,
    )
}


def encode_event(event: Event) -> tuple[str, str]:
    """(kind, JSON body) for the journal."""
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    return type(event).__name__, json.dumps(fields, allow_nan=False)


def decode_event(kind: str, body: str) -> Event:
    """The inverse of `encode_event`.

    Raises:
        ValueError: the kind is unknown, or the body is not what `encode_event` writes.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown event {kind!r:.60}")
    try:
        fields = json.loads(body)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"event {kind}: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError(f"event {kind} is no object")
    return KINDS[kind](**decode_fields(kind, fields))


def decode_fields(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an event as they were encoded, each of its type and within its range.

    Raises:
        ValueError: one is missing, unknown or something else.
    """
    known = {one.name: one for one in dataclasses.fields(KINDS[kind])}
    wrong = next((name for name in fields if name not in known), None)
    if wrong is not None:
        raise ValueError(f"event {kind} has no {wrong!r:.60}")
    decoded: dict[str, Any] = {}
    for name, one in known.items():
        if name in fields:
            reader = READERS.get(f"{kind}.{name}") or READERS[name]
            try:
                decoded[name] = reader(fields[name])
            except ValueError as error:
                raise ValueError(f"event {kind}: {name} {error}") from None
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"event {kind} has no {name}")
    return decoded
