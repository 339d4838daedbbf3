"""What the processes of trials use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from autofinetune.core.slot import Slot
from autofinetune.executors.devices.cards import Card
from autofinetune.runner.processes import MARK_VARIABLE
from autofinetune.sinks.live.snapshot import Row
from autofinetune.sinks.live.usage import Usage, Use, _cards_of, _with_cards

BUSY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "x = bytearray(50 << 20); print(1, flush=True); "
                          "import signal; signal.pause()"], stdout=subprocess.PIPE)
child.stdout.readline()
total = sum(range(3_000_000))
print("ready", flush=True)
child.wait()
"""


@pytest.fixture
def trial() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, MARK_VARIABLE: "run/4/2", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def row(pid: int | None, attempt: int = 2) -> Row:
    return Row(4, attempt, Slot("0"), 0.0, {}, pid=pid)


def test_a_trial_is_its_process_tree(trial: subprocess.Popen[str]) -> None:
    usage = Usage()
    use = usage.look("run", [row(trial.pid)])[4]
    assert use.memory_bytes is not None
    assert use.memory_bytes > 50 << 20  # that of the child
    assert use.cpu_percent is not None
    assert use.cpu_percent >= 0
    again = usage.look("run", [row(trial.pid)])[4]
    assert again.cpu_percent is not None
    assert again.cpu_percent < 100  # both sleep now
    assert (use.gpu_percent, use.gpu_memory_bytes) == (None, None)
    assert usage.look("run", []) == {}
    usage.close()


def test_a_pid_that_belongs_to_something_else_does_not_count(
    trial: subprocess.Popen[str],
) -> None:
    usage = Usage()
    assert usage.look("other", [row(trial.pid)]) == {}
    assert usage.look("run", [row(trial.pid, attempt=1)]) == {}
    assert usage.look("run", [row(os.getpid()), row(None), row(2**22 + 5)]) == {}
    usage.close()


def test_a_trial_that_ends_between_two_looks_is_no_problem() -> None:
    usage = Usage()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE,
        env={**os.environ, MARK_VARIABLE: "run/4/2"},
    ) as process:  # fmt: skip
        while not usage.look("run", [row(process.pid)]):  # its environment is there after exec
            os.sched_yield()
    use = usage.look("run", [row(process.pid)]).get(4, Use(0.0, 0))
    assert use == Use(use.cpu_percent, 0)
    usage.close()


CARDS = {
    "GPU-11": Card(0, "GPU-11", "A", 5 << 30, 80 << 30, ((10, 3 << 30), (99, 2 << 30)), 80),
    "GPU-22": Card(1, "GPU-22", "A", 7 << 30, 80 << 30, (), 40),
    "GPU-33": Card(2, "GPU-33", "A", 0, 80 << 30),
}


@pytest.mark.parametrize(
    ("visible", "found"),
    [("0", ["GPU-11"]), ("1,2", ["GPU-22", "GPU-33"]), ("GPU-2", ["GPU-22"]), ("", []), ("7", []),
     ("MIG-1", [])],
)  # fmt: skip
def test_cards_are_found_by_what_the_trial_sees(visible: str, found: list[str]) -> None:
    assert [card.uuid for card in _cards_of(visible, CARDS)] == found


def test_the_memory_of_a_card_is_that_of_the_trial_if_it_is_known() -> None:
    use = Use(50.0, 1 << 30)
    first, second, third = CARDS.values()
    assert _with_cards(use, [first], [9, 10]) == Use(50.0, 1 << 30, 80, 3 << 30)
    assert _with_cards(use, [first, second], [1]) == Use(50.0, 1 << 30, 60, 12 << 30)
    assert _with_cards(use, [third], [1]) == Use(50.0, 1 << 30, None, 0)
