"""Carries one attempt to a node and its files back, on a thread of its own.

What the attempt leaves on its node is copied to its directory here as it grows, so the executor
reads the same files as on one machine. `exit.json` is written last: when it is there, the model
has arrived, with its checksums.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autofinetune.executors.base import Attempt, Key
from autofinetune.executors.files.followed import Followed
from autofinetune.executors.files.records import read_exit, read_json
from autofinetune.executors.ray import trees
from autofinetune.executors.ray.client import Away, Client, Dead, Failed, Late
from autofinetune.executors.ray.member import (
    LOOK_S,
    MOST_NEWS,
    Member,
    address_of,
    in_parts,
    is_bad,
    record_of,
)
from autofinetune.executors.ray.returns import RECORD, Returns, forget_checkpoint
from autofinetune.executors.ray.shipment import Shipment, out_of
from autofinetune.runner.files import EXIT, REPORTS, STARTED, write_atomically
from autofinetune.store.directory import append_whole
from autofinetune.store.directory import write_atomically as write_bytes

_AWAY_S = 3.0
_TRIES = 5  # of what the node answers that it cannot do


@dataclass
class Courier(Followed):
    """One attempt on the cluster; `asked` and `is_to_stop` are set by the executor.

    Args:
        client: of the bridge.
        news: called after anything has changed.
        trouble: called with a sentence while Ray does not answer, and an empty one when it does.
        tell: called with sentences for the user.
    """

    attempt: Attempt
    client: Client
    shipment: Shipment
    news: Callable[[], None]
    trouble: Callable[[Key, str], None]
    tell: Callable[[str], None]
    asked: int = 0
    is_to_stop: bool = False
    is_seen: bool = False  # the executor has told of its start
    error: Exception | None = field(default=None, init=False)  # a bug, which ends the run
    _record: dict[str, Any] = field(default_factory=dict, init=False)
    _told: int = field(default=0, init=False)
    _tries: int = field(default=0, init=False)
    _waits_for: str = field(default="", init=False)
    _is_created: bool = field(default=False, init=False)
    _is_ending: bool = field(default=False, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        self._wake = threading.Event()
        self.is_closed = False
        self._members = [Member(self.client, self.attempt)]
        self._out = out_of(self.attempt)
        self._returns = Returns(self.attempt, self._out, self.place, self._ask)
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)

    def begin(self) -> None:
        """Note that the attempt may be on the cluster from now on, or read that it may be."""
        with self.place.opened(create=True, mode=0o700) as here:
            known = read_json(here / RECORD)
            self._record = known or {"log_start": self._log_size(), "of": self.shipment.members}
            if known is None:
                self._write(here)
        count = int(self._record.get("of", 1))
        self._members = [Member(self.client, self.attempt, n, count) for n in range(count)]
        self._thread.start()

    def look(self) -> None:
        """Have what changed done soon."""
        self._wake.set()

    def close(self) -> None:
        """Leave the attempt to the cluster."""
        self.is_closed = True
        self._wake.set()

    def join(self, patience_s: float) -> None:
        self._thread.join(patience_s)

    @property
    def node(self) -> str:
        return str(self._record.get("node", ""))

    @property
    def names(self) -> Sequence[Mapping[str, str]]:
        """The name and the namespace of each actor."""
        return [member.names for member in self._members]

    # --- one step after the other ---------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._carry()
        except Exception as error:
            self.error = error
            self.news()

    def _carry(self) -> None:
        pause_s = 0.0
        while not self.is_closed:
            self._wake.wait(pause_s)
            self._wake.clear()
            try:
                is_over = self._step()
                self.trouble(self.key, "")
                if is_over:
                    self.news()
                    return
                pause_s = LOOK_S
            except Late:
                pause_s = 0.0
            except Away as error:
                self.trouble(self.key, f"Ray does not answer ({error}); running trials continue")
                pause_s = _AWAY_S
            except Dead as error:
                self.tell(f"trial {self.key[0]}: its actor is gone ({error})")
                self._lose("actor_died")
                pause_s = LOOK_S
            except OSError as error:  # of this machine, such as a full disk
                if str(error) != self._waits_for:
                    self._waits_for = str(error)
                    self.tell(f"trial {self.key[0]} waits: {error}")
                pause_s = _AWAY_S
            except (Failed, trees.Damaged) as error:
                self._tries += 1
                if self._tries >= _TRIES:
                    self.tell(f"trial {self.key[0]}: its node cannot go on: {error}")
                    self._lose("node_failed")
                pause_s = _AWAY_S

    def _step(self) -> bool:
        """Do what is next; return whether the attempt is over."""
        if "exit" in self._record:
            return self._finish()
        if self.asked > self._told:
            self._told = self.asked
            if "node" not in self._record:
                self._end("cancel", "")
                return False
            self._call_all("cancel")
        if "node" not in self._record:
            self._submit()
            return False
        if self.is_to_stop:
            self.is_to_stop = False
            self._call_all("stop")
        self._follow()
        if "exit" not in self._record:
            self._returns.pull_if_due()
        return False

    def _call_all(self, method: str) -> None:
        for member in self._members:
            member.call(method)

    def _ask(self, method: str, way: str, *args: int) -> tuple[Any, bytes]:
        return self._members[0].call(method, way, *args)[:2]

    def _submit(self) -> None:
        """Create the actors, or find them; send what nodes lack, and start the attempt."""
        for member in [] if self._is_created else self._members:
            member.create(self.shipment.resources)
        self._is_created = True
        for member in self._members:
            member.wait_for_node()
        inputs, files = self._inputs()
        for member, part in zip(self._members, self._parts(), strict=True):
            member.start(part, self.shipment, inputs, files, lambda: self.is_closed)
        self._record["node"] = "+".join(member.node for member in self._members)
        with self.opened() as here:
            self._write(here)

    def _parts(self) -> Sequence[Attempt]:
        """Return what each member runs."""
        count = len(self._members)
        if count == 1:
            return [self.attempt]
        ranks = self.shipment.ranks
        places = [address_of(one, self.attempt, ranks // count) for one in self._members]
        return in_parts(self.attempt, ranks, places)

    def _inputs(self) -> tuple[dict[str, trees.Tree], trees.Files]:
        """Return the trees that the trial reads, by their place in the output directory."""
        files = dict(self.shipment.files)
        found = {}
        wanted = {path: Path(path) for path in self.attempt.reads}
        if self.attempt.model and (saved := self._returns.earlier_checkpoint()):
            wanted[self.attempt.model] = saved
        for path, source in wanted.items():
            tree, contents = trees.model_of(source)
            found[os.path.relpath(path, self._out)] = tree
            files.update(contents)
        return found, files

    def _follow(self) -> None:
        """Copy what is new; when the attempt is over, also what it leaves."""
        while True:
            with self.opened() as here:
                reports = _size(here / REPORTS)
            printed = self._log_size() - int(self._record["log_start"])
            told, data, split = self._members[0].call("poll", max(0, printed), reports, MOST_NEWS)
            self._take(told, data[:split], data[split:])
            if not data:
                break
        self._tries = 0
        ends = [record_of(told), *self._ends_of_others()]
        over = [record for record in ends if record is not None]
        bad = [record for record in over if is_bad(record)]
        if len(over) == len(ends):
            # Those that were ended with the first bad one are not why.
            first = min(bad or over[:1], key=lambda record: bool(record["why"] == "cancel"))
            if first["why"] != "lost":
                self._returns.bring_back()
            self._end_by(first)
        elif bad and not self._is_ending:
            self._is_ending = True  # the others would wait for it
            self._call_all("cancel")

    def _ends_of_others(self) -> Iterator[Mapping[str, Any] | None]:
        for member in self._members[1:]:
            with self.opened() as here:
                yield member.end(here / f"node-{member.number}.log")

    def _take(self, told: Mapping[str, Any], printed: bytes, reports: bytes) -> None:
        with self.opened() as here:
            if reports:
                append_whole(here / REPORTS, reports)
            if printed:
                with contextlib.suppress(IsADirectoryError):
                    append_whole(Path(self.attempt.log), printed)
            if told.get("started") and not (here / STARTED).exists():
                started = {"node": self.node}
                write_atomically(str(here / STARTED), started, durable=False)
                self.news()
        if printed or reports:
            self.news()

    # --- its end --------------------------------------------------------------------------------

    def _lose(self, word: str) -> None:
        with contextlib.suppress(OSError):  # no space: the next step tries again
            self._end("lost", word)

    def _end(self, why: str, error: str) -> None:
        """Note an end that left no record."""
        seconds = time.monotonic() - self._began
        self._end_by({"why": why, "returncode": -9, "error": error, "seconds": seconds})

    def _end_by(self, record: Mapping[str, Any]) -> None:
        """Note how it ended before its actor is removed: then nothing can be asked any more."""
        self._record["exit"] = record
        with self.opened() as here:
            if record["why"] != "lost":
                forget_checkpoint(here)
            self._write(here)

    def _finish(self) -> bool:
        for member in self._members:
            member.remove(is_started="node" in self._record)
        with self.opened() as here:
            if read_exit(here) is None:
                write_atomically(str(here / EXIT), dict(self._record["exit"]), durable=True)
        return True

    def _write(self, here: Path) -> None:
        write_bytes(here / RECORD, json.dumps(self._record).encode(), 0o600)

    def _log_size(self) -> int:
        return _size(Path(self.attempt.log))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
