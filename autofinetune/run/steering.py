"""Steer a run from another process: its tuner applies the request, or we do if there is none."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.config.config import ASKED
from autofinetune.core import fields
from autofinetune.core.events import Event, decode_event
from autofinetune.core.run_state import run_state
from autofinetune.errors import DirectoryBusy, EnvironmentProblem, UsageError
from autofinetune.run.control import MOST_BYTES
from autofinetune.run.directories import (
    existing_run,
    host_out_of_sight,
    is_tuner_alive,
    known_config,
    locked,
    read_run,
)
from autofinetune.run.requests import FOR_A_TUNER, Request, outcome
from autofinetune.run.session import engine_for
from autofinetune.store.directory import read_file, write_atomically
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths

LOOK_S = 0.05
PATIENCE_S = 60.0
_NO_ANSWER = (
    "it may be waiting for a disk or a driver, or be of an earlier version; try again, or stop it "
    "with Ctrl-C in its terminal"
)


class NotRunning(UsageError):
    """There is no tuner that could follow the request."""


@dataclass(frozen=True)
class Done:
    """A request that was applied; `event` is None if there was nothing to change.

    `by_tuner` says whether a running tuner has applied it.
    """

    event: Event | None
    by_tuner: bool


def steer(directory: Path, request: Request) -> Done:
    """Have a request to the run in a directory applied, once.

    Raises:
        UsageError: there is no run, or the request is refused; NotRunning if it is about a tuner
            and none is running.
        EnvironmentProblem: the tuner does not answer, or the journal cannot be read or written.
    """
    with existing_run(directory) as paths:
        while True:
            is_elsewhere = _is_elsewhere(paths)
            try:
                if not is_elsewhere:
                    with locked(directory.absolute()) as own:
                        return Done(apply_here(own, request), by_tuner=False)
            except DirectoryBusy:
                pass
            found = _ask_tuner(paths, request, is_elsewhere=is_elsewhere)
            if found is not None:
                return found


def _is_elsewhere(paths: RunPaths) -> bool:
    """Return whether a tuner on another machine may hold the lock, which may not be seen here."""
    return bool(host_out_of_sight(paths.lock)) and read_run(paths).end_reason is None


def is_paused(directory: Path) -> bool:
    """Return whether a tuner is running here that was asked to pause; errors as `existing_run`."""
    with existing_run(directory) as paths:
        return is_tuner_alive(paths.lock) and read_run(paths).is_paused


def wait_for_end(directory: Path) -> None:
    """Wait until no tuner is working on a run."""
    with existing_run(directory) as paths:
        while is_tuner_alive(paths.lock) or _is_elsewhere(paths):
            time.sleep(LOOK_S)


# --- without a tuner ----------------------------------------------------------------------------


def apply_here(paths: RunPaths, request: Request) -> Event | None:
    """Apply a request to a run whose directory is locked for us; return the event, if any."""
    state = read_run(paths)
    if request.name in state.requests:  # by a tuner that was killed before it could answer
        return None
    if request.kind in FOR_A_TUNER:
        found, why = run_state(state.end_reason, has_begun=bool(state.trials))
        how = f"{found.value}: {why}" if state.end_reason else "its tuner is gone"
        if state.config.get("executor") == ASKED:
            how = "its trials are handed out by `autofinetune ask`, without a tuner"
        raise NotRunning(f"{paths.shown} is not running ({how})", None)
    config = known_config(paths)
    event, after = outcome(request, state, config, time.time())
    if event is None:
        return None
    if (config.gpu, config.placement) != (after.gpu, after.placement):
        with engine_for(vars(after)) as engine:
            engine.slots(after)  # raises if there are none
    with contextlib.closing(SqliteJournal(paths.journal)) as journal:
        journal.append([event])
    return event


# --- by a tuner ---------------------------------------------------------------------------------


def _ask_tuner(paths: RunPaths, request: Request, *, is_elsewhere: bool) -> Done | None:
    """Put a request where the tuner looks, and wait; return None if it ended without an answer."""
    place = paths.place_of(paths.control)
    with place.opened(create=True, mode=0o700) as here, _withdrawn(paths, here, request):
        write_atomically(here / paths.request(request.name).name, request.encoded(), 0o600)
        end = time.monotonic() + PATIENCE_S
        while True:
            was_alive = is_elsewhere or is_tuner_alive(paths.lock)
            is_there = _is_there(paths, here, request)
            answer = _answer(here / paths.answer(request.name).name)
            if answer is not None:
                return _done(answer)
            if not was_alive:
                return None
            if not is_there:  # it could not write the answer
                return _without_answer(paths, request)
            if time.monotonic() > end and _withdraw(here / paths.request(request.name).name):
                raise EnvironmentProblem(
                    f"the tuner of {paths.shown} did not answer within {PATIENCE_S:g} s; the "
                    "request was withdrawn",
                    _NO_ANSWER,
                )
            time.sleep(LOOK_S)


@contextlib.contextmanager
def _withdrawn(paths: RunPaths, here: Path, request: Request) -> Iterator[None]:
    """Leave nothing behind, also after Ctrl-C."""
    try:
        yield
    finally:
        for path in (paths.request, paths.taken, paths.answer):
            _withdraw(here / path(request.name).name)


def _withdraw(path: Path) -> bool:
    """Remove a file; return whether it was there."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _is_there(paths: RunPaths, here: Path, request: Request) -> bool:
    # In this order: the tuner renames the first to the second.
    names = (paths.request(request.name).name, paths.taken(request.name).name)
    return any((here / name).exists() for name in names)


def _answer(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(read_file(path, MOST_BYTES * 2))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _done(answer: Mapping[str, Any]) -> Done:
    """Return what an answer says; raise the error that it carries."""
    try:
        if fields.flag(answer.get("accepted")):
            event = answer.get("event")
            return Done(None if event is None else decode_event(*event), by_tuner=True)
        message = fields.exact_text(answer.get("message"))
        tip = fields.optional(fields.exact_text)(answer.get("tip"))
    except (ValueError, TypeError):
        raise EnvironmentProblem("the answer of the tuner cannot be read", _NO_ANSWER) from None
    if answer.get("exit_code", UsageError.exit_code) == UsageError.exit_code:
        raise UsageError(message, tip)
    raise EnvironmentProblem(message, tip)


def _without_answer(paths: RunPaths, request: Request) -> Done:
    if request.name in read_run(paths).requests or request.kind in FOR_A_TUNER:
        return Done(None, by_tuner=True)
    raise EnvironmentProblem(
        f"the tuner of {paths.shown} refused the request, and could not say why",
        "check that the disk has space",
    )
