"""The events of a run: immutable facts in the order in which they happened.

`at` is the wall clock in seconds since 1970 (UTC), for display only: the order is the position in
the journal.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from autofinetune.core.fields import READERS, number, small, whole
from autofinetune.core.slot import Slot

if TYPE_CHECKING:
    from autofinetune.space import Value


@dataclass(frozen=True)
class RunCreated:
    """The first event: the configuration of the run; `where` is as in `paths.RunPaths.where`."""

    at: float
    run: str
    version: str
    config: Mapping[str, Any]
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResumed:
    """A tuner resumed the run, possibly in another directory.

    If that directory is a copy, `run` is the new name of the run in it.
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
class AttemptEvent:
    """What happened to an attempt of a trial."""

    at: float
    trial: int
    attempt: int


@dataclass(frozen=True)
class AttemptPlanned(AttemptEvent):
    """The attempt is about to be submitted; a restart submits it under the same name.

    `log_start` is the size of the trial's log before this attempt, in bytes.
    """

    slot: Slot
    log_start: int = 0


@dataclass(frozen=True)
class AttemptSubmitted(AttemptEvent):
    """The executor accepted the attempt and identifies it by `handle` (plain JSON).

    With `is_waiting`, it may wait in a queue of the engine until `AttemptStarted`.
    """

    handle: Mapping[str, Any]
    is_waiting: bool = False


@dataclass(frozen=True)
class AttemptStarted(AttemptEvent):
    """An attempt that waited in a queue of the engine is running, on `node` if that is known."""

    node: str = ""


@dataclass(frozen=True)
class Reported(AttemptEvent):
    """An intermediate score; `offset` is where the next report begins in the trial's file."""

    step: int
    score: float
    offset: int


@dataclass(frozen=True)
class StopRequested(AttemptEvent):
    """The attempt was asked to stop; its trial ends as STOPPED whatever the attempt still does."""

    reason: str


@dataclass(frozen=True)
class AttemptLost(AttemptEvent):
    """The attempt does not count; the trial returns to the queue."""

    reason: str


@dataclass(frozen=True)
class TrialEnded(AttemptEvent):
    """The trial ended. `status` is COMPLETED, FAILED or STOPPED; a failed trial has no score.

    The `score` of a stopped trial is its last intermediate one; `estimate` is its expected final
    score, which the strategy learns from.
    """

    status: str
    reason: str
    score: float | None
    seconds: float
    has_model: bool
    estimate: float | None = None


@dataclass(frozen=True)
class SlotQuarantined:
    """No more trials start on this slot until the run is resumed."""

    at: float
    slot: Slot
    reason: str


@dataclass(frozen=True)
class _ByUser:
    """What a user asked for; a request is applied only once, whoever dies meanwhile.

    It may be recorded between two tuners, so it does not count as work of the run.
    """

    at: float
    request: str


@dataclass(frozen=True)
class RunPaused(_ByUser):
    """No further trials start; running ones finish."""


@dataclass(frozen=True)
class RunContinued(_ByUser):
    """A paused run starts trials again."""


@dataclass(frozen=True)
class OptionsChanged(_ByUser):
    """New values of some of the options in `fields.CHANGEABLE`, as in `RunCreated.config`."""

    options: Mapping[str, Any]


@dataclass(frozen=True)
class ConfigurationsEnqueued(_ByUser):
    """Configurations to try next."""

    configurations: tuple[Mapping[str, Value], ...]


@dataclass(frozen=True)
class NoteAdded(_ByUser):
    """A note on a trial."""

    trial: int
    text: str


@dataclass(frozen=True)
class TrialsImported(_ByUser):
    """Trials from elsewhere, each as {"params", "merit"}; `source` names where they are from."""

    source: str
    trials: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class RunEnded:
    """The run ended, by one of `run_state.REASONS` or an `error:`; it may be resumed."""

    at: float
    reason: str


UserEvent: TypeAlias = (
    RunPaused | RunContinued | OptionsChanged | ConfigurationsEnqueued | NoteAdded | TrialsImported
)
Event: TypeAlias = (
    RunCreated
    | RunResumed
    | TrialCreated
    | AttemptPlanned
    | AttemptSubmitted
    | AttemptStarted
    | Reported
    | StopRequested
    | AttemptLost
    | TrialEnded
    | SlotQuarantined
    | UserEvent
    | RunEnded
)
KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


def encode_event(event: Event) -> tuple[str, str]:
    """Return (kind, JSON body) for the journal."""
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    return type(event).__name__, json.dumps(fields, allow_nan=False)


def decode_report(body: str) -> tuple[int, int, int, float]:
    """Return (trial, attempt, step, score) of an encoded `Reported`, faster than `decode_event`.

    Raise ValueError if `encode_event` did not write it.
    """
    try:
        found = json.loads(body)
        numbers = (found["trial"], found["attempt"], found["step"], found["score"])
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"event Reported: {error}") from None
    trial, attempt, step, score = numbers
    return small(trial), small(attempt), whole(step), number(score)


def decode_event(kind: str, body: str) -> Event:
    """Return the event that `encode_event` encoded; raise ValueError if that did not write it."""
    if kind not in KINDS:
        raise ValueError(f"unknown event {kind!r:.60}")
    try:
        fields = json.loads(body)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"event {kind}: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError(f"event {kind} is not an object")
    known = {one.name: one for one in dataclasses.fields(KINDS[kind])}
    wrong = next((name for name in fields if name not in known), None)
    if wrong is not None:
        raise ValueError(f"event {kind} has no field {wrong!r:.60}")
    decoded: dict[str, Any] = {}
    for name, one in known.items():
        if name in fields:
            reader = READERS.get(f"{kind}.{name}") or READERS[name]
            try:
                decoded[name] = reader(fields[name])
            except ValueError as error:
                raise ValueError(f"event {kind}: {name} {error}") from None
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"event {kind} lacks the field {name}")
    return KINDS[kind](**decoded)
