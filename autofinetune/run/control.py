"""Requests to a running tuner: one file each in the directory `control` of the run.

A command puts a request there and waits for the answer in another file. The tuner renames the file
before it applies the request, so a command can withdraw a request only before that. The event that
follows has the name of the request: whatever is killed in between, it is applied at most once.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from autofinetune.config.config import Config
from autofinetune.core.events import UserEvent, encode_event
from autofinetune.core.state import State
from autofinetune.errors import AutofinetuneError, UsageError
from autofinetune.executors import Engine, Executor, Slots
from autofinetune.run.requests import (
    NAME,
    SET,
    STOP,
    Request,
    decoded,
    is_earlier,
    outcome,
)
from autofinetune.store.directory import read_file, why_not_ours, write_atomically
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible
from autofinetune.world import TRANSIENT

MOST_BYTES = 32 << 20
_MOST_FILES = 1000  # looked at in one round
_GONE = "the tuner to which it was addressed had ended"


class Steered(Protocol):
    """A tuner, as far as requests are concerned."""

    config: Config
    state: State

    def stop(self, *, now: bool) -> None: ...

    def steer(self, event: UserEvent, config: Config, slots: Slots | None = None) -> None: ...


class Control:
    """The requests to one run.

    Args:
        engine, executor: find and take the slots after `gpu` or `max_parallel` was changed.
        now: the wall clock in seconds since 1970.
        notice: receives messages for the console.
    """

    def __init__(
        self,
        paths: RunPaths,
        engine: Engine,
        executor: Executor,
        now: Callable[[], float],
        notice: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self._engine = engine
        self._executor = executor
        self._now = now
        self._notice = notice
        self._is_warned = False
        self._ignored: set[str] = set()

    def begin(self) -> None:
        """Prepare the directory. Requests about an earlier tuner are refused, others are kept."""
        with contextlib.suppress(OSError), self._opened(create=True) as here:
            locked_ns = (self._paths.place.root / self._paths.lock.name).stat().st_mtime_ns
            # Their commands were killed, or find what they need in the journal.
            for path in (*here.glob("*.answer.json"), *here.glob(".*.tmp")):
                path.unlink()
            for path, name in _requests(self._paths, here):
                request = self._read(path, name)
                if request is not None and is_earlier(request, locked_ns):
                    self._finish(here, path, name, {"accepted": False, "message": _GONE})

    def take(self, tuner: Steered, *kinds: str) -> None:
        """Apply the requests that have arrived, only those of `kinds` if there are any."""
        with contextlib.ExitStack() as stack:
            try:
                here = stack.enter_context(self._opened())
                found = list(_requests(self._paths, here))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, *TRANSIENT):
                    self._warn("what lies", error.strerror or str(error))
                return
            for path, name in found:
                request = self._read(path, name)
                if request is not None and (not kinds or request.kind in kinds):
                    self._apply(here, path, request, tuner)

    @contextlib.contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[Path]:
        place = self._paths.place_of(self._paths.control)
        with place.opened(create=create, mode=0o700) as here:
            why = why_not_ours(here.stat())
            if why:
                raise PermissionError(errno.EPERM, why)
            yield here

    def _read(self, path: Path, name: str) -> Request | None:
        """Return the request in a file, or None, with one warning for all that cannot be read."""
        if path.name in self._ignored:
            return None
        try:
            found = path.lstat()
            if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
                raise ValueError("it is not a file of this user")
            if found.st_size > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
            return decoded(name, read_file(path, MOST_BYTES))
        except FileNotFoundError:
            return None  # withdrawn
        except (OSError, ValueError) as error:
            self._ignored.add(path.name)
            self._warn(path.name, getattr(error, "strerror", None) or str(error))
            return None

    def _warn(self, what: str, why: str) -> None:
        if not self._is_warned:
            self._is_warned = True
            self._notice(f"WARNING: {what} in {self._paths.control} is ignored: {visible(why)}")

    def _apply(self, here: Path, path: Path, request: Request, tuner: Steered) -> None:
        taken = here / self._paths.taken(request.name).name
        try:
            path.rename(taken)
        except FileNotFoundError:
            return  # withdrawn
        try:
            event = self._do(request, tuner)
            answer = answer_of(event)
        except AutofinetuneError as error:
            if not isinstance(error, UsageError):
                self._notice(f"WARNING: a request was refused: {error.message}")
            answer = refusal_of(error)
        self._finish(here, taken, request.name, answer)

    def _do(self, request: Request, tuner: Steered) -> UserEvent | None:
        if request.kind == STOP:
            now = request.fields["now"]
            tuner.stop(now=now)
            ends = "running ones are ended" if now else "running ones finish"
            self._notice(f"stopping by request: no new trials are started; {ends}")
            return None
        if request.name in tuner.state.requests:  # a tuner was killed before it could answer
            return None
        event, config = outcome(request, tuner.state, tuner.config, self._now())
        if event is not None:
            slots = self._slots(tuner.config, config) if request.kind == SET else None
            tuner.steer(event, config, slots)
        return event

    def _slots(self, before: Config, after: Config) -> Slots | None:
        """Return the slots if they change; raise UsageError if they cannot."""
        if (before.gpu, before.placement) == (after.gpu, after.placement):
            return None
        if not self._executor.can_change_slots:
            raise UsageError(
                f"the slots of --executor={after.executor} cannot change while it runs",
                "stop the run, and set them before `autofinetune resume`",
            )
        slots = self._engine.slots(after)
        for note in slots.notes:
            self._notice(note)
        return slots

    def _finish(self, here: Path, path: Path, name: str, answer: dict[str, Any]) -> None:
        """Answer a request and remove it, so that its command finds one of the two."""
        with contextlib.suppress(OSError):  # the journal has the event
            data = json.dumps(answer).encode()
            write_atomically(here / self._paths.answer(name).name, data, 0o600)
        with contextlib.suppress(OSError):
            path.unlink()


def _requests(paths: RunPaths, here: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of requests and their names, the oldest first."""
    found: list[tuple[str, str]] = []
    with os.scandir(here) as entries:
        for entry in itertools.islice(entries, _MOST_FILES):
            name = entry.name.partition(".")[0]
            files = (paths.request(name).name, paths.taken(name).name)
            if NAME.fullmatch(name) and entry.name in files:
                found.append((name, entry.name))
    for name, file in sorted(found):
        yield here / file, name


def answer_of(event: UserEvent | None) -> dict[str, Any]:
    """Return the answer to a request that was applied; None if there was nothing to change."""
    return {"accepted": True, "event": None if event is None else list(encode_event(event))}


def refusal_of(error: AutofinetuneError) -> dict[str, Any]:
    return {
        "accepted": False,
        "message": error.message,
        "tip": error.tip,
        "exit_code": error.exit_code,
    }
