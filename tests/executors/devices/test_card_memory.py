"""The memory of shared cards, which are simulated; the processes on them are real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from autofinetune.executors.base import Key
from autofinetune.executors.devices.card_memory import CardMemory
from autofinetune.executors.devices.cards import Card

GIB = 1 << 30
NO_PID = 2**22 + 1  # above every pid_max


@dataclass
class Trial:
    cards: tuple[str, ...]
    pid: int | None = None


class Machine:
    """Cards with 80 GiB each and the trials running on them."""

    def __init__(self, least_free: float = 0) -> None:
        self.cards: dict[str, Card] = {}
        self.trials: dict[Key, Trial] = {}
        self.looks = 0
        self.memory = CardMemory(self.look, self.trials, least_free * GIB)
        self.use(0)

    def look(self) -> dict[str, Card]:
        self.looks += 1
        return self.cards

    def use(self, gib: float, *processes: tuple[int, float], uuid: str = "A") -> None:
        named = tuple((pid, int(used * GIB)) for pid, used in processes)
        self.cards[uuid] = Card(0, uuid, "H200", int(gib * GIB), 80 * GIB, named)

    def start(self, number: int, *cards: str, pid: int | None = None) -> None:
        self.memory.note(cards or ("A",))
        self.trials[number, 1] = Trial(cards or ("A",), pid)

    def held(self, number: int) -> float:
        return self.memory.held(self.trials[number, 1].cards) / GIB


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes below this one."""
    made = [subprocess.Popen(["sleep", "1000"]) for _ in range(2)]
    yield made
    for child in made:
        child.kill()
        child.wait()


# --- whether it came back -----------------------------------------------------------------------


def test_the_last_trial_on_a_card_is_judged_by_what_was_before_the_first() -> None:
    machine = Machine()
    machine.use(5)
    machine.start(0)
    machine.use(15)
    machine.start(1)
    machine.use(40)
    assert machine.held(0) == 0  # the other one still runs
    del machine.trials[0, 1]
    assert machine.held(1) == 35
    machine.use(5.2)
    assert machine.held(1) == 0  # others may use a little
    del machine.trials[1, 1]
    machine.use(30)
    machine.start(2)
    assert machine.held(2) == 0  # what was not freed is known, and no longer counted as ours


def test_each_card_of_a_group_is_judged() -> None:
    machine = Machine()
    machine.use(1, uuid="B")
    machine.start(0, "A", "B")
    machine.use(4)
    machine.use(6, uuid="B")
    assert machine.held(0) == 9
    machine.use(0)
    assert machine.held(0) == 5


def test_memory_of_strangers_that_live_is_theirs(
    children: list[subprocess.Popen[bytes]],
) -> None:
    stranger = children[0].pid
    machine = Machine()
    machine.use(10, (stranger, 10))
    machine.start(0)
    machine.use(30, (stranger, 30))
    assert machine.held(0) == 0
    machine.use(32, (stranger, 30), (NO_PID, 2))
    assert machine.held(0) == 2  # of a dead process


def test_what_nobody_can_tell_is_not_judged() -> None:
    machine = Machine()
    machine.start(0, "unlisted")
    machine.use(70)
    assert machine.held(0) == 0
    machine.trials[1, 1] = Trial(("A",))  # from before `resume`
    assert machine.held(1) == 0
    machine.start(2)
    del machine.trials[1, 1]
    assert machine.held(2) == 0  # it started while the other one was running


def test_a_slot_without_a_card_asks_nobody() -> None:
    machine = Machine(least_free=10)
    machine.memory.note(())
    assert machine.memory.held(()) == 0
    assert machine.memory.lack(()) == ""
    assert machine.looks == 0


# --- whether one more fits ----------------------------------------------------------------------


def test_a_card_of_its_own_needs_the_least_free_memory_only() -> None:
    machine = Machine(least_free=20)
    machine.use(70)
    assert machine.memory.lack(("A",)) == "10.0 GiB of the card are free, --min_free_gpu_gb=20"
    assert machine.memory.lack(("B",)) == ""  # its use is unknown
    machine.use(60)
    assert machine.memory.lack(("A",)) == ""
    machine = Machine()
    machine.use(80)
    assert machine.memory.lack(("A",)) == ""
    assert machine.looks == 0


def test_one_card_of_a_group_that_lacks_memory_is_enough() -> None:
    machine = Machine(least_free=20)
    machine.use(70, uuid="B")
    assert "10.0 GiB" in machine.memory.lack(("A", "B"))


def test_before_any_was_seen_a_trial_beside_another_is_let_in() -> None:
    machine = Machine()
    machine.start(0)
    assert machine.memory.lack(("A",)) == ""


def test_beside_others_there_must_be_room_for_all_of_them_to_grow(
    children: list[subprocess.Popen[bytes]],
) -> None:
    first, second = (child.pid for child in children)
    machine = Machine()
    machine.start(0, pid=first)
    machine.use(30.5, (first, 30))
    machine.memory.sample()
    assert machine.memory.peak == 30 * GIB
    assert machine.memory.lack(("A",)) == ""
    machine.start(1, pid=second)  # it uses nothing yet, but will
    assert machine.memory.lack(("A",)) == (
        "19.5 GiB of the card will be left with 2 running, and each trial may need 30.0 "
        "(the most one has used)"
    )
    machine.use(62, (first, 31), (second, 31))
    assert machine.memory.lack(("A",)).startswith("18.0 GiB")
    del machine.trials[0, 1]
    machine.use(31, (second, 31))
    assert machine.memory.lack(("A",)) == ""


def test_processes_below_the_runner_are_the_trials() -> None:
    machine = Machine()
    machine.start(0, pid=os.getpid())
    inner = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE)
    assert inner.stdout is not None
    deep = int(inner.stdout.readline())
    machine.use(12, (inner.pid, 4), (deep, 5), (1, 3))
    machine.memory.sample()
    assert machine.memory.peak == 9 * GIB
    os.kill(deep, 9)
    inner.wait()
    inner.stdout.close()


def test_where_processes_are_not_told_the_trials_share_evenly() -> None:
    machine = Machine()
    machine.use(10)
    machine.start(0)
    machine.start(1)
    machine.use(50)
    assert machine.memory.lack(("A",)) == ""
    assert machine.memory.peak == 20 * GIB
    machine.use(60)
    assert machine.memory.lack(("A",)).startswith("20.0 GiB of the card will be left with 2")


def test_what_the_user_demands_is_what_each_may_need() -> None:
    machine = Machine(least_free=30)
    machine.start(0)
    assert machine.memory.lack(("A",)) == ""
    machine.start(1)
    assert machine.memory.lack(("A",)) == (
        "20.0 GiB of the card will be left with 2 running, and each trial may need 30.0 "
        "(--min_free_gpu_gb)"
    )
    machine.use(0)
    machine.cards["A"] = Card(0, "A", "A30", 0, 24 * GIB)
    assert machine.memory.lack(("A",)).startswith("24.0 GiB of the card are free")
    machine.cards["A"] = Card(0, "A", "A40", 0, 48 * GIB)
    assert machine.memory.lack(("A",)).startswith("0.0 GiB of the card will be left")


def test_a_trial_of_an_earlier_life_counts(children: list[subprocess.Popen[bytes]]) -> None:
    machine = Machine()
    machine.use(50, (children[0].pid, 50))
    machine.trials[0, 1] = Trial(("A",), children[0].pid)
    assert machine.memory.lack(("A",)).startswith("30.0 GiB of the card will be left")
    machine = Machine()
    machine.use(50)
    machine.trials[0, 1] = Trial(("A",))
    assert machine.memory.lack(("A",)) == ""  # its use is unknown
