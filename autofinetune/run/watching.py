"""Follow a run in its journal, for a view in another process.

The events of finished trials are not decoded one by one, so that even a run of 100,000 trials is
shown after a second; later only new events are read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

from autofinetune.core import fields
from autofinetune.core.events import KINDS, TrialCreated, TrialEnded, decode_event
from autofinetune.core.run_state import RunState, run_state_now
from autofinetune.core.slot import Slot
from autofinetune.core.status import Status
from autofinetune.core.trials import Trial
from autofinetune.run.directories import host_out_of_sight, is_tuner_alive, of_the_journal
from autofinetune.run.overview import created_event, created_trials, place_of
from autofinetune.sinks.live.progress import Progress
from autofinetune.sinks.live.snapshot import Params, Snapshot
from autofinetune.sinks.waits import read_waits
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths

Ask: TypeAlias = Callable[..., list[tuple[Any, ...]]]

# The kinds of events that are not about one trial.
_OF_THE_RUN = ",".join(
    f"'{name}'"
    for name, kind in KINDS.items()
    if "trial" not in {field.name for field in dataclasses.fields(kind)}
)


@dataclasses.dataclass(frozen=True)
class Watched:
    """A run at one moment, with its state and a readable reason.

    `ended` are the trials that ended since the run was looked at before.
    """

    snapshot: Snapshot
    state: RunState
    reason: str
    ended: tuple[Trial, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.state not in (RunState.PENDING, RunState.RUNNING)


class Watch:
    """Reads the journal of a run again and again; it is closed by the caller."""

    def __init__(self, paths: RunPaths, journal: SqliteJournal) -> None:
        self._paths = paths
        self._journal = journal
        self._ask: Ask | None = None
        self._progress = Progress(self._recall)
        self._last = 0  # seq of the last event that was read
        self._has_begun = False

    def look(self) -> Watched:
        """Return the run as it is now; raise EnvironmentProblem if the journal cannot be read."""
        # Before the journal: a tuner that ends in between has recorded its end there.
        is_alive = is_tuner_alive(self._paths.lock)
        host = host_out_of_sight(self._paths.lock)
        with of_the_journal(self._paths), self._journal.snapshot() as ask:
            self._ask = ask
            ended: list[Trial] = []
            if self._last == 0:
                self._catch_up(ask)
            else:
                for seq, kind, body in ask(
                    "SELECT seq, kind, body FROM events WHERE seq > ? ORDER BY seq", self._last
                ):
                    event = decode_event(kind, body)
                    self._progress.handle(event)
                    if isinstance(event, TrialEnded):
                        ended.append(_ended(created_event(ask, event.trial), event))
                    self._last = seq
            self._progress.obstacles(tuple(read_waits(self._paths)) if is_alive else ())
            snapshot = self._progress.snapshot()
        self._has_begun = self._has_begun or bool(snapshot.rows or snapshot.ended)
        state, reason = run_state_now(
            snapshot.end_reason, has_begun=self._has_begun, is_tuner_alive=is_alive, host=host
        )
        return Watched(snapshot, state, reason, tuple(ended))

    def _catch_up(self, ask: Ask) -> None:
        """Read everything up to now, of finished trials only their ends."""
        ((self._last,),) = ask("SELECT max(seq) FROM events")
        ((seq, kind, body),) = ask("SELECT seq, kind, body FROM events ORDER BY seq LIMIT 1")
        self._progress.handle(decode_event(kind, body))
        ended = set()
        for trial, status, score, seconds in ask(
            "SELECT json_extract(body, '$.trial'), json_extract(body, '$.status'),"
            " json_extract(body, '$.score'), json_extract(body, '$.seconds')"
            " FROM events WHERE kind = 'TrialEnded' ORDER BY seq"
        ):
            number = fields.small(trial)
            ended.add(number)
            value = None if score is None else fields.number(score)
            self._progress.ended_before(
                number, Status(fields.status(status)), value, fields.number(seconds)
            )
        unfinished = sorted(set(range(created_trials(ask))) - ended)
        numbers = ",".join(map(str, unfinished))
        first = place_of(ask, unfinished[0]) if unfinished else self._last
        for kind, body in ask(
            "SELECT kind, body FROM events WHERE seq > ? AND"
            f" (kind IN ({_OF_THE_RUN})"
            " OR (seq >= ? AND kind NOT IN ('TrialEnded', 'RunCreated')"
            f" AND json_extract(body, '$.trial') IN ({numbers}))) ORDER BY seq",
            seq,
            first,
        ):
            self._progress.handle(decode_event(kind, body))
        resumed = ask("SELECT max(seq) FROM events WHERE kind = 'RunResumed'")[0][0]
        slots = ask(
            "SELECT DISTINCT json_extract(body, '$.slot') FROM events"
            " WHERE kind = 'AttemptPlanned' AND seq > ?",
            resumed or 0,
        )
        self._progress.seen({Slot.read(fields.text(slot)) for (slot,) in slots})

    def _recall(self, trial: int) -> Params:
        assert self._ask is not None
        return created_event(self._ask, trial).params


def _ended(created: TrialCreated, event: TrialEnded) -> Trial:
    return Trial(
        created.trial,
        created.round,
        created.member,
        created.params,
        created.parent,
        status=Status(event.status),
        attempt=event.attempt,
        reason=event.reason,
        score=event.score,
        seconds=event.seconds,
        has_model=event.has_model,
    )
