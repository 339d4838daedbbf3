"""Runs each attempt on a node of a Ray cluster; a resumed tuner finds those of a killed one."""

from __future__ import annotations

import collections
import contextlib
import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from autofinetune.config.config import RAY
from autofinetune.core.slot import Slot
from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.base import Attempt, Executor, Handle, JobState, Key, Observation
from autofinetune.executors.devices.slots import Slots
from autofinetune.executors.files.records import read_exit
from autofinetune.executors.ray.client import Away, Client, Dead, Failed
from autofinetune.executors.ray.courier import Courier
from autofinetune.executors.ray.room import Share
from autofinetune.executors.ray.shipment import Shipment, out_of
from autofinetune.runner.files import STARTED

_LOOK_S = 0.5  # interval at which the files of running attempts are read
_NODES_S = 5.0  # interval at which the nodes are listed
_CLOSE_S = 2.0


class RayExecutor(Executor):
    """Attempts as actors, at most as many as the cluster has room for.

    Args:
        client: of a bridge.
        shipment: what every attempt needs on its node.
        share: what an attempt needs.
        most: returns the greatest number of slots.
        nodes: those of the cluster now.
        notice: called with sentences for the user.
    """

    can_change_slots = True
    has_queue = True

    def __init__(
        self,
        client: Client,
        shipment: Shipment,
        share: Share,
        *,
        most: Callable[[], int | None],
        nodes: Sequence[Mapping[str, Any]],
        notice: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._client = client
        self._shipment = shipment
        self._share = share
        self._most = most
        self._nodes = nodes
        self._notice = notice
        self._couriers: dict[Key, Courier] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._said: collections.deque[str] = collections.deque()
        self._unheard: set[Key] = set()  # for which Ray does not answer
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._watch_nodes, name="nodes", daemon=True)
        self._watch.start()

    def slots(self) -> Sequence[Slot]:
        """Return as many slots as there is room for now; one if there is none."""
        return [Slot(RAY, number) for number in range(1, max(1, self._room()) + 1)]

    def _room(self) -> int:
        most = self._most()
        return self._share.room(self._nodes, math.inf if most is None else most)

    def change_slots(self, slots: Slots) -> None:
        self.wake()  # `most` has changed

    def obstacle(self, slot: Slot) -> str:
        return "" if self._room() else "no node of the cluster has room for a trial"

    def submit(self, attempt: Attempt) -> Handle:
        courier = self._couriers.get(attempt.key)
        if courier is None:
            if out_of(attempt) == self._shipment.code:
                raise EnvironmentProblem(
                    "with --executor=ray the output directory cannot be the working directory",
                    "name another --output_dir",
                )
            courier = Courier(
                attempt.key, attempt.own_place, attempt, self._client, self._shipment,
                self.wake, self._trouble, self._said.append,
            )  # fmt: skip
            courier.begin()
            self._couriers[attempt.key] = courier
        return {**courier.names[0], "directory": attempt.directory}

    # --- observing ------------------------------------------------------------------------------

    def _watch_nodes(self) -> None:
        while not self._closed.wait(_NODES_S):
            with contextlib.suppress(Away, Failed, Dead):
                nodes = self._client.ask("nodes", {})[0]["nodes"]
                before = self._room()
                self._nodes = nodes
                now = self._room()
                if now != before:
                    self._said.append(
                        f"the cluster now has room for {now} trials (before: {before})"
                    )
                    self.wake()

    def _trouble(self, key: Key, sentence: str) -> None:
        """Say once that Ray does not answer for some attempt, and once that it does for all."""
        were_any = bool(self._unheard)
        (self._unheard.add if sentence else self._unheard.discard)(key)
        if sentence and not were_any:
            self._said.append(sentence)
        elif were_any and not self._unheard:
            self._said.append("Ray answers again")

    def poll(self, wait_s: float) -> list[Observation]:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        wait_s = min(wait_s, _LOOK_S) if self._couriers else wait_s
        if poller.poll(max(0.0, wait_s) * 1000):
            os.eventfd_read(self._wake)
        while self._said:
            self._notice(self._said.popleft())
        return [news for one in list(self._couriers.values()) for news in self._look(one)]

    def _look(self, courier: Courier) -> Iterator[Observation]:
        if courier.error is not None:
            raise courier.error
        with courier.opened() as here:
            # The exit record is written after the last report, so it must be read first.
            record = read_exit(here)
            if not courier.is_seen and (record is not None or (here / STARTED).exists()):
                courier.is_seen = True
                self.wake()  # it may have ended already
                yield Observation(courier.key, JobState.RUNNING, node=courier.node)
                return
            reports = tuple(courier.new_reports(here, to_the_end=record is not None))
        if record is not None:
            courier.join(_CLOSE_S)
            del self._couriers[courier.key]
            yield Observation(courier.key, JobState.EXITED, reports, record)
        elif reports:
            yield Observation(courier.key, JobState.RUNNING, reports)

    def wake(self) -> None:
        os.eventfd_write(self._wake, 1)

    def request_stop(self, key: Key) -> None:
        if key in self._couriers:
            self._couriers[key].is_to_stop = True
            self._couriers[key].look()

    def cancel(self, key: Key) -> None:
        if key in self._couriers:
            self._couriers[key].asked += 1
            self._couriers[key].look()

    def kill_all(self) -> None:
        """Kill all actors, whose trials end with them; may be called by another thread."""
        for courier in list(self._couriers.values()):
            for names in courier.names:
                with contextlib.suppress(Away, Dead, Failed):
                    self._client.ask("kill", names)

    def close(self) -> None:
        """Leave the attempts to the cluster."""
        self._closed.set()
        for courier in self._couriers.values():
            courier.close()
        end = time.monotonic() + _CLOSE_S
        for courier in self._couriers.values():
            courier.join(max(0.0, end - time.monotonic()))
        self._watch.join(max(0.0, end - time.monotonic()))
        self._couriers.clear()
        # Not closed: a thread that is late may still write there.
