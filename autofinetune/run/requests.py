"""What a user may ask of a run, and the events that follow.

A request is a JSON object {"kind": ..., fields} from a file or a command; its values may be wrong.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autofinetune.config.changed import changed, described_changes
from autofinetune.config.config import Config
from autofinetune.config.recorded import recorded_configurations, recorded_trials
from autofinetune.core import fields as readers
from autofinetune.core.events import (
    ConfigurationsEnqueued,
    NoteAdded,
    OptionsChanged,
    RunContinued,
    RunPaused,
    TrialsImported,
    UserEvent,
)
from autofinetune.core.state import State
from autofinetune.errors import UsageError

STOP, PAUSE, CONTINUE = "stop", "pause", "continue"
SET, ENQUEUE, NOTE, IMPORT = "set", "enqueue", "note", "import"
KINDS: Mapping[str, Mapping[str, readers.Reader]] = {
    STOP: {"now": readers.flag},
    PAUSE: {},
    CONTINUE: {},
    SET: {"options": readers.options},
    ENQUEUE: {"configurations": readers.configurations},
    NOTE: {"trial": readers.small, "text": readers.text},
    IMPORT: {"source": readers.text, "trials": readers.trials},
}
FOR_A_TUNER = (STOP, PAUSE, CONTINUE)
"""The kinds that are about a running tuner, not about the run."""
NAME = re.compile(r"[0-9]{20}-[0-9]{1,10}-[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True)
class Request:
    """What a user asks; `name` is unique, and sorts requests by time."""

    name: str
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return json.dumps({"kind": self.kind, **self.fields}).encode()


def new_request(kind: str, **fields: Any) -> Request:
    name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
    return Request(name, kind, fields)


def is_earlier(request: Request, locked_ns: int) -> bool:
    """Return whether a request is about a tuner before the one that took the lock at that time."""
    return request.kind in FOR_A_TUNER and int(request.name.partition("-")[0]) < locked_ns


def decoded(name: str, data: bytes) -> Request:
    """Return the request in a file; raise ValueError with the problem if it is none."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    kind = found.get("kind") if isinstance(found, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError("it is not a request that this version knows")
    wanted = KINDS[kind]
    if found.keys() != {"kind", *wanted}:
        raise ValueError(f"it does not have the fields of {kind}: {', '.join(wanted)}")
    read = {}
    for one, reader in wanted.items():
        try:
            read[one] = reader(found[one])
        except ValueError as error:
            raise ValueError(f"its field {one} {error}") from None
    return Request(name, kind, read)


def outcome(
    request: Request, state: State, config: Config, at: float
) -> tuple[UserEvent | None, Config]:
    """Return the event that follows from a request to a run, and the config after it.

    The event is None if there is nothing to change. `stop` has none and is not for this function.
    Raise UsageError if the run refuses the request.
    """
    name, given = request.name, request.fields
    if request.kind == PAUSE:
        return (None if state.is_paused else RunPaused(at, name)), config
    if request.kind == CONTINUE:
        return (RunContinued(at, name) if state.is_paused else None), config
    if request.kind == SET:
        after = changed(config, given["options"])
        changes = described_changes(config, after)
        return (OptionsChanged(at, name, changes) if changes else None), after
    if request.kind == NOTE:
        if given["trial"] not in state.trials:
            raise UsageError(f"this run has no trial {given['trial']}", "see trials.csv")
        return NoteAdded(at, name, given["trial"], given["text"]), config
    if config.replayed:
        raise UsageError(
            "this run repeats the trials of another run, and takes no others",
            "start a new run for that",
        )
    if request.kind == ENQUEUE:
        found = recorded_configurations(given["configurations"], config.space, "configurations")
        return (ConfigurationsEnqueued(at, name, found) if found else None), config
    (trials,) = recorded_trials([given["trials"]], config.space)
    return (TrialsImported(at, name, given["source"], trials) if trials else None), config
