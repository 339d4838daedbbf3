"""The actors of an attempt: one, or one on each of several nodes for its ranks."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.executors.base import Attempt, Process
from autofinetune.executors.files.records import as_record
from autofinetune.executors.ray import trees
from autofinetune.executors.ray.client import Away, Client, Dead, Failed
from autofinetune.executors.ray.returns import as_object
from autofinetune.executors.ray.shipment import Shipment, out_of
from autofinetune.runner.ranks import Place, environments, needs_closed
from autofinetune.store.directory import append_whole

LOOK_S = 0.5
MOST_NEWS = 4 << 20  # bytes of each file at once


class Member:
    """One of the actors; the first has rank 0, which reports and saves the model.

    Args:
        number, of: which one, and how many there are.
    """

    def __init__(self, client: Client, attempt: Attempt, number: int = 0, of: int = 1) -> None:
        self._client = client
        self.attempt = attempt
        self.number = number
        self._of = of
        self.node = ""
        more = f".{number}" if number else ""
        self._place = f"{attempt.trial}-{attempt.attempt}{more}"
        self.names = {
            "name": f"{attempt.trial}.{attempt.attempt}{more}",
            "namespace": f"autofinetune-{attempt.run}",
            "group": f"{attempt.run}/{attempt.trial}.{attempt.attempt}" if of > 1 else "",
        }

    def create(self, resources: Mapping[str, Any]) -> None:
        """Create the actor, or find it."""
        more = {"run": self.attempt.run, "place": self._place, "resources": resources}
        self._client.ask("create", {**self.names, **more, "number": self.number, "of": self._of})

    def wait_for_node(self) -> None:
        """Wait a while until it is on a node; raise Late if it is not."""
        head, _ = self._client.ask("ready", {**self.names, "wait_s": LOOK_S})
        self.node = str(head["node"])

    def call(self, method: str, *args: object, data: bytes = b"") -> tuple[Any, bytes, int]:
        request = {"method": method, "args": args, **self.names}
        head, data = self._client.ask("call", request, data)
        return head.get("result"), data, int(head.get("split", 0))

    def start(
        self,
        attempt: Attempt,
        shipment: Shipment,
        inputs: Mapping[str, trees.Tree],
        files: trees.Files,
        is_closed: Callable[[], bool],
    ) -> None:
        """Send what its node lacks, and start the attempt there."""
        out = out_of(attempt)
        wanted = {
            "attempt": shipment.words(attempt),
            "log": os.path.relpath(attempt.log, out),
            "model": os.path.relpath(attempt.model, out) if attempt.model else "",
            "ranks": shipment.ranks,
            "inputs": inputs,
            **shipment.trees,
            **{f"{name}_id": trees.id_of(tree) for name, tree in shipment.trees.items()},
        }
        lacking = list(self.call("lacks", [*files])[0])
        for entries, data in trees.pieces(files, [one for one in lacking if one in files]):
            self.call("put", entries, data=data)
            if is_closed():
                raise Away("the tuner ends")
        self.call("start", wanted)

    def end(self, log: Path, most: int = MOST_NEWS) -> Mapping[str, Any] | None:
        """Copy what it has printed to a log of its own; return its record if it has ended."""
        while True:
            size = log.stat().st_size if log.exists() else 0
            told, data, split = self.call("poll", size, 0, most)
            if not split:
                break
            append_whole(log, data[:split])
        return record_of(told)

    def remove(self, *, is_started: bool) -> None:
        """Remove its files on the node, then the actor; one that still waits would not answer."""
        with contextlib.suppress(Dead, Failed):
            if is_started:
                self.call("clean")
        with contextlib.suppress(Dead, Failed):
            self._client.ask("kill", self.names)


def record_of(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the end that an actor has told of, or None.

    Raises:
        Damaged: it is no record.
    """
    if not told["end"]:
        return None
    if told["end"] != "exit":
        word = "no_record" if told["end"] == "lost" else "not_started"
        return {"why": "lost", "returncode": -9, "error": word, "seconds": 0.0}
    record = as_object(told["exit"])
    try:
        as_record(dict(record))
    except (KeyError, TypeError, ValueError):
        raise trees.Damaged("its exit record is none") from None
    return record


def is_bad(record: Mapping[str, Any]) -> bool:
    return (record["why"], record["returncode"]) != ("exit", 0)


def in_parts(
    attempt: Attempt, ranks: int, addresses: Sequence[tuple[str, Sequence[int]]]
) -> Sequence[Attempt]:
    """Return the part of an attempt that each of several nodes runs, in the order of its ranks.

    Args:
        ranks: how many processes it has, if it does not name them itself.
        addresses: of each node, with a free port for each of its processes.
    """
    processes = attempt.processes or (Process("worker", attempt.argv, {}),) * ranks
    places: list[Place] = [
        (node, host, port) for node, (host, ports) in enumerate(addresses) for port in ports
    ]
    name = f"{attempt.run}/{attempt.trial}/{attempt.attempt}"
    roles = [process.role for process in processes]
    own = environments(roles, name, attempt.framework, places)
    each = len(processes) // len(addresses)
    found = []
    for node in range(len(addresses)):
        part = tuple(
            dataclasses.replace(processes[rank], env={**processes[rank].env, **own[rank]})
            for rank in range(node * each, (node + 1) * each)
        )
        # Of another name, so that none of two parts on one machine ends the other as a leftover.
        run = f"{attempt.run}.{node}" if node else attempt.run
        found.append(dataclasses.replace(attempt, processes=part, framework="", run=run))
    return found


def address_of(member: Member, attempt: Attempt, ranks: int) -> tuple[str, Sequence[int]]:
    """Return the address of a member's node, with as many ports kept as it has processes."""
    keep = not needs_closed(attempt.framework)
    host, ports = member.call("reserve", ranks, keep)[0]
    return str(host), [int(port) for port in ports]
