"""Runs attempts on this machine, one runner process each; they survive a killed tuner."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autofinetune.core.slot import Slot
from autofinetune.executors.base import Attempt, Executor, Handle, JobState, Key, Observation
from autofinetune.executors.devices.card_memory import CardMemory
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.devices.lease import Leases
from autofinetune.executors.devices.slots import LocalSlot, Slots
from autofinetune.executors.files.hand_over import hand_over, spec_of
from autofinetune.executors.files.records import read_exit, read_time_limit
from autofinetune.executors.files.reports import NO_ROOM
from autofinetune.executors.local.job import EMPTY_SWEEPS, Job
from autofinetune.executors.local.patience import Patience
from autofinetune.executors.local.start import Starter, start_runner
from autofinetune.runner.files import SPEC, STARTED, write_atomically
from autofinetune.runner.processes import MARK_VARIABLE, identity, marked, send_to
from autofinetune.store.directory import appended

_RECHECK_S = 0.05  # where no runner can be watched: it is gone, or its processes still exit
_MEMORY_SAMPLES_S = 1.0  # interval between samples of cards that several trials share


class LocalExecutor(Executor):
    """Attempts as process trees on this machine.

    Args:
        environ: the environment of every trial; its slot and the attempt override it.
        trials_outlive_us: whether trials continue when this process dies, or are terminated.
        look_at_cards: returns the current state of the cards by UUID; empty where it is unknown.
            The slots of a card can be used only once the memory of its last trial is freed.
        min_free_gpu_gb: GiB that must be free on a card before a trial starts there.
        lease_dir: as for `Leases`, where runs that share the cards of a machine take turns.
        forks: starts runners faster where it can; the caller closes it.
    """

    can_change_slots = True

    def __init__(
        self,
        slots: Sequence[LocalSlot],
        environ: Mapping[str, str],
        *,
        trials_outlive_us: bool = True,
        look_at_cards: Callable[[], Mapping[str, Card]] = dict,
        min_free_gpu_gb: float = 0.0,
        lease_dir: str = "",
        forks: Starter | None = None,
        notice: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._slots: dict[Slot, LocalSlot] = {}
        self._identity = identity(os.getpid())
        self._environ = dict(environ)
        self._jobs: dict[Key, Job] = {}
        self._next_sample = 0.0
        self._memory = CardMemory(look_at_cards, self._jobs, min_free_gpu_gb * 2**30)
        self._leases = Leases(lease_dir)
        self._forks = forks
        self._notice = notice
        # Every runner gets the reading end; the writing end closes however this process ends.
        self._lifeline = () if trials_outlive_us else os.pipe2(os.O_CLOEXEC)
        self.change_slots(Slots(tuple(slots)))
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def slots(self) -> Sequence[Slot]:
        return list(self._slots)

    def change_slots(self, slots: Slots) -> None:
        self._slots = {slot.name: slot for slot in slots.places}
        cards = [card for slot in slots.places for card in slot.cards]
        self._are_cards_shared = len(set(cards)) < len(cards)
        self._leases.keep({device for slot in slots.places for device in slot.devices})

    def obstacle(self, slot: Slot) -> str:
        """Return why not: a card is leased, lacks memory, or is still in use."""
        place = self._slots[slot]
        return (
            self._earlier_trial(slot)
            or self._leases.take(place.devices)
            or self._memory.lack(place.cards)
        )

    def _earlier_trial(self, slot: Slot) -> str:
        """Compare slots by name: the same devices may have been divided differently before."""
        for job in self._jobs.values():
            if job.slot not in self._slots and slot.touches(job.slot):
                return f"trial {job.key[0]} from before the slots changed still runs on {job.slot}"
        return ""

    def submit(self, attempt: Attempt) -> Handle:
        job = self._jobs.get(attempt.key)
        if job is None:
            mark = f"{attempt.run}/{attempt.trial}/{attempt.attempt}"
            slot = self._slots.get(attempt.slot)
            cards = slot.cards if slot else ()
            patience = Patience(attempt.time_limit_s, attempt.grace_s)
            job = Job(
                attempt.key, attempt.own_place, mark, attempt.slot, cards, patience, self._notice
            )
            with job.place.opened(create=True, mode=0o700) as here:
                if (here / STARTED).exists():
                    limit_s = read_time_limit(here, attempt.time_limit_s)
                    job.patience = Patience(limit_s, attempt.grace_s)
                    job.attach(here)
                elif slot is not None:
                    self._start(job, slot, attempt, here)
                # else the slot was removed meanwhile: this attempt counts as lost
            self._jobs[attempt.key] = job
        return {"pid": job.pid, "directory": attempt.directory}

    def _start(self, job: Job, slot: LocalSlot, attempt: Attempt, here: Path) -> None:
        spec = spec_of(attempt, ranks=slot.ranks, cpus=slot.cpus, tuner=self._identity)
        write_atomically(str(here / SPEC), spec, durable=False)
        self._memory.note(slot.cards)
        own = hand_over(attempt, here)
        env = {**self._environ, **slot.env, **own, MARK_VARIABLE: job.mark}
        lifelines = self._lifeline[:1]
        inherited = self._leases.descriptors(slot.devices)
        with appended(here / "runner.log") as log:
            if self._forks is not None:
                passed = (log.fileno(), *lifelines, *inherited)
                has_lifeline = bool(lifelines)
                job.who = self._forks.start(attempt, env, passed, has_lifeline=has_lifeline)
            if job.who is not None:
                job.pid = job.who["pid"]
            else:
                job.process = start_runner(
                    attempt.directory, env, log=log, lifelines=lifelines, inherited=inherited
                )
        with contextlib.suppress(OSError):  # no descriptor is free: `_look` tries again
            job.watch()

    def poll(self, wait_s: float) -> list[Observation]:
        self._wait(wait_s)
        if self._are_cards_shared and self._jobs and time.monotonic() >= self._next_sample:
            self._memory.sample()
            self._next_sample = time.monotonic() + _MEMORY_SAMPLES_S
        found = []
        for job in list(self._jobs.values()):
            try:
                news = self._look(job)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                time.sleep(_RECHECK_S)  # its end cannot be guessed: try again later
                continue
            if news is not None:
                found.append(news)
        return found

    def _wait(self, wait_s: float) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        for job in self._jobs.values():
            if job.pidfd is None:
                wait_s = min(wait_s, _RECHECK_S)
            else:
                poller.register(job.pidfd, select.POLLIN)
                wait_s = min(wait_s, job.patience.until_next_look)
        for descriptor, _ in poller.poll(max(0.0, wait_s) * 1000):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)

    def _look(self, job: Job) -> Observation | None:
        is_over = job.is_without_runner()
        with job.opened() as here:
            # The exit record is written after the last report, so it must be read first.
            record = read_exit(here) if is_over else None
            state = JobState.RUNNING
            if record is not None:
                state = JobState.EXITED
            elif is_over:
                state = job.state_without_record(here)
            is_over = state is not JobState.RUNNING
            held = self._memory.held(job.cards) if is_over else 0
            if held and job.may_get_memory_back():
                return None
            reports = job.new_reports(here, to_the_end=is_over)
        if is_over:
            del self._jobs[job.key]
        elif not reports:
            return None
        return Observation(job.key, state, tuple(reports), record, held)

    def wake(self) -> None:
        os.eventfd_write(self._wake, 1)

    def request_stop(self, key: Key) -> None:
        if key in self._jobs:
            self._jobs[key].ask_to_stop()

    def cancel(self, key: Key) -> None:
        if key in self._jobs:
            self._jobs[key].cancel()

    def kill_all(self) -> None:
        """Kill runners and trials at once, without records; may be called by another thread."""
        marks = [job.mark for job in list(self._jobs.values())]
        for _ in range(EMPTY_SWEEPS):
            if marks:
                send_to(marked(*marks), signal.SIGKILL)

    def close(self) -> None:
        for job in self._jobs.values():
            job.abandon()
        self._jobs.clear()
        for descriptor in (self._wake, *self._lifeline):
            os.close(descriptor)
        self._leases.close()
