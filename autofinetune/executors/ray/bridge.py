"""The bridge: a process that speaks with Ray for the tuner.

It has its own Python, which must be that of the cluster. When Ray's head is away for a minute, Ray
ends the process that is connected with it: that is this one, not the tuner.

A message is a line of JSON, and `size` bytes after it. A request has an `id`, which its answer
repeats, and says what to `do`. An answer may have an `error`, one of the words below.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

AWAY = "away"  # Ray does not answer: it says nothing about the attempt
DEAD = "dead"  # Ray says that the actor is dead, or does not know it
LATE = "late"  # the actor has no node yet
FAILED = "failed"  # the actor answered that it could not do it
MISSING = "missing"  # there is no package of this name here
OTHER = "other"  # the versions of Ray or Python differ
_CLIENT = "ray[client]"  # what Ray asks for, if an address ray://... needs it
MOST_PIECE = 16 << 20
_THREADS = 64
_TRIES = 3  # to connect
_WAIT_S = 30.0
_VERSIONS = re.compile(r"Ray: (\S+)\s+(?:\S+ )?Python: (\S+)")


def read_message(source: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Read a message, or None at the end."""
    line = source.readline()
    if not line.endswith(b"\n"):
        return None
    head = json.loads(line)
    data = source.read(head.get("size", 0))
    return (head, data) if len(data) == head.get("size", 0) else None


def write_message(target: IO[bytes], head: dict[str, Any], data: bytes = b"") -> None:
    if data:
        head = {**head, "size": len(data)}
    target.write(json.dumps(head).encode() + b"\n" + data)
    target.flush()


class Unknown(Exception):
    """Ray knows no actor of a name."""


class Bridge:
    """Answers requests on threads, because each may wait for a node."""

    def __init__(self, ray: Any, target: IO[bytes]) -> None:
        from autofinetune.executors.ray import actor

        ray.cloudpickle.register_pickle_by_value(actor)
        self._ray = ray
        self._target = target
        self._class = ray.remote(actor.Actor)
        self._lock = threading.Lock()
        self._ready: dict[tuple[str, str], Any] = {}  # both by namespace and name
        self._actors: dict[tuple[str, str], Any] = {}

    def answer(self, request: dict[str, Any], data: bytes) -> None:
        """Do what is asked, and write the answer."""
        do: Callable[..., tuple[dict[str, Any], bytes]] = getattr(self, f"do_{request['do']}")
        try:
            head, data = do(request, data)
        except Exception as error:
            head, data = {"error": self._kind(error), "why": _short(error)}, b""
            if head["error"] == DEAD:
                self._forget(request)
        with self._lock:
            write_message(self._target, {**head, "id": request["id"]}, data)

    def _forget(self, request: dict[str, Any]) -> None:
        for known in (self._actors, self._ready):
            known.pop(_key(request), None)

    def _kind(self, error: Exception) -> str:
        kinds = self._ray.exceptions
        if isinstance(error, (Unknown, kinds.ActorDiedError)):
            return DEAD
        if isinstance(error, kinds.RayTaskError):
            return FAILED
        return AWAY  # ActorUnavailableError, GetTimeoutError, ...: perhaps it comes back

    def do_nodes(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Return the living nodes with all their resources."""
        found = [
            {"node": self._shown(node), "resources": node["Resources"]}
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        return {"nodes": found}, b""

    def _shown(self, node: dict[str, Any]) -> str:
        name = node.get("NodeName", "")
        return str(
            node["NodeManagerHostname"] if name in ("", node["NodeManagerAddress"]) else name
        )

    def do_create(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Create the actor, or find the one of that name; some are one `of` several nodes."""
        options = {"num_gpus": 0, "num_cpus": 0, **request["resources"]}
        if request["of"] > 1:
            options["scheduling_strategy"] = self._place(request, options)
        self._actors[_key(request)] = self._class.options(
            name=request["name"], namespace=request["namespace"], lifetime="detached",
            get_if_exists=True, max_restarts=0, max_task_retries=0, max_concurrency=4, **options,
        ).remote(request["run"], request["place"])  # fmt: skip
        return {}, b""

    def _place(self, request: dict[str, Any], options: dict[str, Any]) -> Any:
        """Return the place of an actor in the group of its attempt, which is made if need be."""
        from ray.util import scheduling_strategies

        try:
            group = self._ray.util.get_placement_group(request["group"])
        except ValueError:
            named = {"GPU": options["num_gpus"], "CPU": options["num_cpus"]}
            bundle = {n: v for n, v in {**named, **options.get("resources", {})}.items() if v}
            group = self._ray.util.placement_group(
                [bundle] * request["of"], strategy="STRICT_SPREAD", name=request["group"],
                lifetime="detached",
            )  # fmt: skip
        return scheduling_strategies.PlacementGroupSchedulingStrategy(
            placement_group=group, placement_group_bundle_index=request["number"]
        )

    def _actor(self, request: dict[str, Any]) -> Any:
        """Return a handle; raise Unknown if Ray knows no actor of that name."""
        key = _key(request)
        if key not in self._actors:
            try:
                self._actors[key] = self._ray.get_actor(request["name"], request["namespace"])
            except ValueError as error:
                raise Unknown("Ray knows no actor of its name") from error
        return self._actors[key]

    def do_ready(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Wait a while until the actor is on a node, and return the name of that."""
        key = _key(request)
        if key not in self._ready:
            self._ready[key] = self._actor(request).ready.remote()
        ref = self._ready[key]
        if not self._ray.wait([ref], timeout=request["wait_s"])[0]:
            return {"error": LATE, "why": "no node has room yet"}, b""
        self._ready.pop(key, None)
        mine = self._ray.get(ref, timeout=_WAIT_S)
        shown = [self._shown(node) for node in self._ray.nodes() if node["NodeID"] == mine]
        return {"node": shown[0] if shown else ""}, b""

    def do_call(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Call a method of the actor; bytes are its last argument, or its result."""
        method = getattr(self._actor(request), request["method"])
        ref = method.remote(*request["args"], *([data] if data else []))
        found = self._ray.get(ref, timeout=_WAIT_S)
        if isinstance(found, bytes):
            return {}, found
        if isinstance(found, tuple):
            head, log, reports = found
            return {"result": head, "split": len(log)}, log + reports
        return {"result": found}, b""

    def do_kill(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        try:
            self._ray.kill(self._actor(request), no_restart=True)
            self._forget(request)
        finally:
            with contextlib.suppress(ValueError):  # another of its actors was removed before
                if request["group"]:
                    group = self._ray.util.get_placement_group(request["group"])
                    self._ray.util.remove_placement_group(group)
        return {}, b""


def _key(request: dict[str, Any]) -> tuple[str, str]:
    return request.get("namespace", ""), request.get("name", "")


def _short(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[0] if text else ''}"[:120]


def connected(address: str) -> tuple[Any, dict[str, Any]]:
    """Return ray, connected with the cluster, and what to tell the tuner."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        return None, {"error": MISSING, "why": "ray"}
    here = f"Ray {ray.__version__} with Python {sys.version.split()[0]}"
    for left in reversed(range(_TRIES)):
        try:
            ray.init(
                address=address or "auto", namespace="autofinetune", log_to_driver=False,
                configure_logging=False,
            )  # fmt: skip
            break
        except ConnectionAbortedError as error:
            # A client server starts a process for each client; on a busy machine that takes longer
            # than Ray waits.
            if not left:
                return None, {"error": AWAY, "why": _short(error)}
        except Exception as error:
            return None, _why_not(error, here)
    return ray, {"versions": here}


def _why_not(error: Exception, here: str) -> dict[str, Any]:
    """Return what to tell the tuner of a connection that failed."""
    if _CLIENT in str(error):
        return {"error": MISSING, "why": _CLIENT}
    found = _VERSIONS.findall(str(error))
    if "ersion mismatch" in str(error) and found:
        there = f"Ray {found[0][0]} with Python {found[0][1]}"
        return {"error": OTHER, "why": f"the cluster has {there}, the bridge {here}"}
    return {"error": AWAY, "why": _short(error)}


def main() -> None:
    """Serve until the tuner is gone."""
    address = sys.argv[1]
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Ray prints to the standard output
    ray, hello = connected(address)
    write_message(target, hello)
    if ray is None:
        return
    bridge = Bridge(ray, target)
    with ThreadPoolExecutor(_THREADS) as threads:
        while (message := read_message(source)) is not None:
            threads.submit(bridge.answer, *message)
        os._exit(0)  # calls that wait for a node are of no use any more


if __name__ == "__main__":
    main()
