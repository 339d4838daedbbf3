"""What running trials use of this machine: processors and memory by psutil, cards by NVML."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from autofinetune.executors.devices.cards import Card, CardProbe
from autofinetune.runner.processes import has_mark, trees
from autofinetune.sinks.live.snapshot import Row


@dataclass(frozen=True)
class Use:
    """What a trial uses; None where it is unknown.

    Attributes:
        cpu_percent: of one core, since the last look; at the first look since the trial began.
        memory_bytes: the resident memory of its processes; shared pages count in each.
        gpu_percent: the utilisation of its card; the mean of several.
        gpu_memory_bytes: of its processes, or of its cards if NVML does not list those.
    """

    cpu_percent: float | None = None
    memory_bytes: int | None = None
    gpu_percent: float | None = None
    gpu_memory_bytes: int | None = None


class Usage:
    """Measures the process trees of trials.

    A pid counts only if that process carries the mark of the attempt: it may have been reused, or
    belong to another machine.
    """

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        self._cpu: dict[str, tuple[float, float]] = {}  # by mark: when, and seconds by then
        self._cards: dict[str, str] = {}  # by mark: its CUDA_VISIBLE_DEVICES
        self._probe: CardProbe | None = None

    def look(self, run: str, rows: Iterable[Row]) -> dict[int, Use]:
        """Return the use of each trial whose processes are visible here."""
        roots: dict[str, tuple[Row, int]] = {}
        for row in rows:
            mark = f"{run}/{row.trial}/{row.attempt}"
            if row.pid is not None and (mark in self._cards or has_mark(row.pid, mark)):
                roots[mark] = (row, row.pid)
        below = trees([pid for _, pid in roots.values()])
        self._processes = {
            pid: process
            for pids in below.values()
            for pid in pids
            if (process := self._processes.get(pid) or _process(pid)) is not None
        }
        self._cards = {mark: self._devices(mark, pid) for mark, (_, pid) in roots.items()}
        self._cpu = {mark: self._cpu[mark] for mark in roots if mark in self._cpu}
        cards = self._look_at_cards()
        found = {}
        for mark, (row, pid) in roots.items():
            used = self._used(mark, row, below[pid])
            own = _cards_of(self._cards[mark], cards)
            found[row.trial] = _with_cards(used, own, below[pid]) if own else used
        return found

    def _used(self, mark: str, row: Row, pids: Iterable[int]) -> Use:
        seconds, memory = 0.0, 0
        for pid in pids:
            process = self._processes.get(pid)
            if process is None:
                continue
            try:
                with process.oneshot():
                    cpu = process.cpu_times()
                    memory += process.memory_info().rss
            except psutil.Error:  # gone meanwhile, or another user's
                self._processes.pop(pid, None)
                continue
            # The time of a child moves to its parent when it has exited.
            seconds += cpu.user + cpu.system + cpu.children_user + cpu.children_system
        now = time.time()
        before_at, before = self._cpu.get(mark, (row.since, 0.0))
        self._cpu[mark] = (now, seconds)
        percent = 100 * max(0.0, seconds - before) / max(now - before_at, 0.1)
        return Use(percent, memory)

    # --- cards ----------------------------------------------------------------------------------

    def _devices(self, mark: str, pid: int) -> str:
        if mark in self._cards:
            return self._cards[mark]
        process = self._processes.get(pid)
        try:
            return process.environ().get("CUDA_VISIBLE_DEVICES", "") if process else ""
        except psutil.Error:
            return ""

    def _look_at_cards(self) -> Mapping[str, Card]:
        """Return the cards by UUID; the driver is not touched before a trial has a card."""
        if not any(self._cards.values()):
            return {}
        if self._probe is None:
            self._probe = CardProbe()
            try:
                return {card.uuid: card for card in self._probe.first_cards() or ()}
            except Exception:  # it hangs; the probe asks no more
                return {}
        return self._probe.look()

    def close(self) -> None:
        if self._probe is not None:
            self._probe.close()


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _cards_of(visible: str, cards: Mapping[str, Card]) -> list[Card]:
    """Return the cards that CUDA_VISIBLE_DEVICES names, by number in NVML's order or by UUID."""
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return [
        card
        for name in names
        for card in cards.values()
        if (name.isdigit() and int(name) == card.index) or card.uuid.startswith(name)
    ]


def _with_cards(use: Use, cards: list[Card], pids: Iterable[int]) -> Use:
    mine = set(pids)
    listed = [used for card in cards for pid, used in card.processes if pid in mine]
    percents = [card.used_percent for card in cards if card.used_percent is not None]
    return Use(
        use.cpu_percent,
        use.memory_bytes,
        sum(percents) / len(percents) if percents else None,
        sum(listed) if listed else sum(card.used_bytes for card in cards),
    )
