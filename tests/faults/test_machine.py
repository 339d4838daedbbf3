"""Cards, clocks and system calls that fail: F52 to F57."""
# ruff: noqa: N802

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.core.events import SlotQuarantined
from autofinetune.core.status import Status
from autofinetune.errors import UsageError
from autofinetune.executors import Observation
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.devices.slots import find_slots
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.sinks import SinkGuard
from tests.faults.harness import DEADLINE_S, FaultRun, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_trial_behaviour import write_script
from tests.helpers import Recorder, config_of, tuner_in_memory
from tests.nursery import Nursery

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
CARDS = [Card(n, f"GPU-{n}{n}{n}{n}", "A100", 0, 80 << 30) for n in range(4)]


def check(run: FaultRun, code: int = 0) -> None:
    assert check_invariants(run.output_dir, run.ledger, code=code) == [], run.console


def customized(run: FaultRun, name: str, code: str) -> None:
    """Put a module in front of all others."""
    folder = run.root / "modules"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(code)
    run.env["PYTHONPATH"] = str(folder)


# --- cards --------------------------------------------------------------------------------------


def test_F52_memory_that_others_use_is_told() -> None:
    used = [dataclasses.replace(CARDS[0], used_bytes=60 << 30), *CARDS[1:]]
    slots = find_slots("0,1", {}, used)
    assert slots.notes == ("card 0 (A100): 60.0 of 80.0 GiB are in use by others",)
    assert [slot.name for slot in slots.places] == ["0", "1"]


class Holding(MemoryExecutor):
    """The first trial's card keeps two GiB."""

    def poll(self, wait_s: float) -> list[Observation]:
        return [
            dataclasses.replace(news, held_bytes=2 << 30) if news.key[0] == 0 else news
            for news in super().poll(wait_s)
        ]


def test_F52_a_card_whose_memory_does_not_come_back_gets_no_more_trials(tmp_path: Path) -> None:
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config_of(), sinks=[recorder])
    tuner._executor = Holding(["a", "b"], lambda attempt: Played(0.5))
    tuner.start("run")
    state = tuner.run()
    (event,) = [event for event in recorder.events if isinstance(event, SlotQuarantined)]
    assert event.slot == state.trials[0].slot
    assert "2.0 GiB" in event.reason
    assert state.counts[Status.COMPLETED] == 9
    assert all(trial.slot != event.slot for trial in state.trials.values() if trial.id > 1)


def test_F53_a_card_on_which_trials_fail_at_once_gets_no_more(run: FaultRun) -> None:
    run.popsize, run.rounds, run.evaluator = 8, 1, "fulltrail"
    write_script(
        run,
        """
if os.environ["CUDA_VISIBLE_DEVICES"] == "1":
    while not os.path.exists("done"):
        time.sleep(0.005)
    sys.exit(1)
save()
finish(0.5 + TRIAL)
open("done", "w").close()
""",
    )
    assert run.finish() == 0, run.console
    check(run)
    (event,) = [event for event in run.events() if isinstance(event, SlotQuarantined)]
    assert event.slot == "1"
    assert "WARNING: slot 1 gets no more trials" in run.console
    state = run.state()
    assert state.counts[Status.COMPLETED] >= 6
    assert 2 <= sum(line.slot == "1" for line in run.lines("start")) <= 3


NVML = """
class Memory: used = total = 1 << 40
def nvmlInit(): {init}
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetMemoryInfo(handle): return Memory()
def nvmlDeviceGetUUID(handle): return {uuid}
def nvmlDeviceGetName(handle): return {name}
"""


@pytest.mark.parametrize(
    ("init", "uuid", "name"),
    [
        ("raise OSError('Xid 79: the card has fallen off the bus')", "''", "''"),
        ("pass", "b'\\xff\\xfe'", "'A100'"),
        ("raise SystemError", "None", "None"),
    ],
)
def test_F53_a_driver_that_tells_garbage_is_no_driver(
    run: FaultRun, init: str, uuid: str, name: str
) -> None:
    customized(run, "pynvml.py", NVML.format(init=init, uuid=uuid, name=name))
    life = run.start_fresh(*run.new_words(), "--dry-run")
    assert life.wait(DEADLINE_S) == 0, run.console
    assert "no NVIDIA driver found" in run.console


def test_F53_a_driver_that_hangs_does_not_hold_the_run_up(run: FaultRun) -> None:
    customized(
        run, "pynvml.py", NVML.format(init="import signal; signal.pause()", uuid="''", name="''")
    )
    customized(
        run,
        "sitecustomize.py",
        "import sys\nif 'autofinetune' in sys.orig_argv:\n"
        "    from autofinetune.executors.devices import cards\n"
        "    cards.START_PATIENCE_S = 0.2\n",
    )
    assert run.start_fresh(*run.new_words()).wait(DEADLINE_S) == 4
    assert "the NVIDIA driver has not answered for 0.2 s" in run.console
    assert not run.output_dir.exists()


@pytest.mark.parametrize(
    ("gpu", "outer", "seen"),
    [
        ("0,1", None, ["0", "1"]),
        ("0,1", "2,3", ["2", "3"]),
        ("1", "2,GPU-3333", ["GPU-3333"]),
        ("GPU-2222", "2,3", ["GPU-2222"]),
        ("auto", "3,1", ["3", "1"]),
        ("MIG-abc", None, ["MIG-abc"]),
        ("0,0", None, None),
        ("0,GPU-0000", None, None),
        ("-1", None, None),
        ("", None, None),
        ("99", None, None),
        ("2", "2,3", None),
        ("0 1", None, None),
    ],
)
def test_F54_cards_count_within_the_outer_mask(
    gpu: str, outer: str | None, seen: list[str] | None
) -> None:
    environ = {} if outer is None else {"CUDA_VISIBLE_DEVICES": outer}
    if seen is None:
        with pytest.raises(UsageError):
            find_slots(gpu, environ, CARDS)
        return
    places = find_slots(gpu, environ, CARDS).places
    assert [slot.env["CUDA_VISIBLE_DEVICES"] for slot in places] == seen
    assert {slot.env["CUDA_DEVICE_ORDER"] for slot in places} == {"PCI_BUS_ID"}


def test_F54_a_card_that_is_not_there_is_refused_with_those_that_are(run: FaultRun) -> None:
    customized(run, "pynvml.py", NVML.format(init="pass", uuid="f'GPU-{handle}'", name="'A100'"))
    run.gpu = "0,7"
    assert run.start_fresh(*run.new_words()).wait(DEADLINE_S) == 2
    assert "--gpu=7 does not exist; there are: 0 (A100, GPU-0), 1 (A100, GPU-1)" in run.console
    assert not run.output_dir.exists()


def test_F55_a_second_run_on_the_same_card_waits_and_says_why(
    run: FaultRun, tmp_path: Path, nursery: Nursery
) -> None:
    """It goes on by itself once nothing of the first one lives."""
    options = ["--max_failures=0", f"--lease_dir={tmp_path / 'leases'}"]
    run.options = options
    other = FaultRun(tmp_path / "other", nursery, popsize=1, rounds=1, gpu="0", options=options)
    run.popsize, run.rounds, run.gpu = 1, 1, "0"
    for one in (run, other):
        one.plan({"*": {"hold": "go"}})
    try:
        first = run.start()
        wait_until(lambda: run.lines("start"))
        second = other.start()
        wait_until(lambda: "is held by another run" in other.console)
        first.send_signal(signal.SIGKILL)
        first.wait(DEADLINE_S)
        assert not other.lines("start")  # the trial of the first run holds the card
        run.release()
        other.release()
        assert second.wait(DEADLINE_S) == 0, other.console
        assert "slot 0 can be used again" in other.console
        assert run.finish() == 0
    finally:
        other.close()


# --- clocks -------------------------------------------------------------------------------------

JUMPS = """
import sys, time
if "autofinetune" in sys.orig_argv:
    jumps, real = [0, 365 * 86400, -3600, 3600, -86400 * 10000], time.time
    looks = 0
    def now():
        global looks
        looks += 1
        return real() + jumps[looks % len(jumps)]
    time.time = now
"""


def test_F56_a_clock_that_jumps_changes_nothing(run: FaultRun) -> None:
    customized(run, "sitecustomize.py", JUMPS)
    run.env["TZ"] = "America/New_York"
    run.options = ["--max_failures=0", "--trial_timeout=1000"]
    assert run.start_fresh(*run.new_words()).wait(DEADLINE_S) == 0, run.console
    check(run)
    assert run.table() == run.undisturbed()
    times = [event.at for event in run.events()]
    assert times != sorted(times)
    assert all(0.0 < trial.seconds < 60.0 for trial in run.state().trials.values())
    run.env["TZ"] = "Asia/Kolkata"
    assert run.start_fresh(*run.resume_words()).wait(DEADLINE_S) == 0, run.console


# --- a machine that refuses ---------------------------------------------------------------------


@needs_strace
@pytest.mark.parametrize(
    ("calls", "error"),
    [
        ("vfork,fork", "ENOMEM"),
        ("vfork,fork", "EAGAIN"),
        ("pidfd_open", "EMFILE"),
        ("poll", "EINTR"),
        ("pipe2", "ENFILE"),
    ],
)
def test_F57_what_the_kernel_refuses_for_a_moment_is_tried_again(
    run: FaultRun, calls: str, error: str
) -> None:
    customized(
        run,
        "sitecustomize.py",
        "import sys\nif 'autofinetune' in sys.orig_argv:\n"
        "    import autofinetune.run.tuner\n    autofinetune.run.tuner.RETRY_S = 0.01\n"
        "    sys.modules['visualdl'] = None\n",
    )
    first = 7 if calls == "pipe2" else 1  # the first pipes belong to the start
    life = run.start_fresh(
        *run.new_words(),
        before=["strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
                "-e", f"inject={calls}:error={error}:when={first}+2"],
    )  # fmt: skip
    assert life.wait(DEADLINE_S) == 0, run.console
    check(run)
    assert run.table() == run.undisturbed()


@needs_strace
def test_F57_a_runner_that_cannot_fork_for_a_moment_tries_again(run: FaultRun) -> None:
    run.popsize, run.rounds = 2, 1
    run.env["OPENBLAS_NUM_THREADS"] = "1"
    customized(
        run,
        "sitecustomize.py",
        "import sys\nif 'autofinetune' in sys.orig_argv: sys.modules['visualdl'] = None\n",
    )
    life = run.start_fresh(
        *run.new_words(),
        before=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3",
                "-e", "inject=clone,clone3:error=EAGAIN:when=1"],
    )  # fmt: skip
    assert life.wait(DEADLINE_S) == 0, run.console
    assert {trial.status for trial in run.state().trials.values()} == {Status.COMPLETED}


FILL_PIPES = """
import fcntl, os, sys
kept = []
try:
    while len(kept) < 2000:
        kept.append(os.pipe())
        fcntl.fcntl(kept[-1][1], fcntl.F_SETPIPE_SZ, 1 << 20)
except OSError:
    print("full", flush=True)
sys.stdin.read()
"""


def test_F57_a_user_at_the_limit_of_pipe_memory_can_run_trials(run: FaultRun) -> None:
    user = ["unshare", "--user", "--map-root-user"]
    run.popsize, run.rounds = 1, 1
    with subprocess.Popen(
        [*user, sys.executable, "-c", FILL_PIPES], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        if holder.stdout.readline() != "full\n":
            pytest.skip("no user without privileges can be made here")
        code = run.start_fresh(*run.new_words(), before=user).wait(DEADLINE_S)
        holder.communicate()
    record = json.loads((run.paths.attempt_dir(0, 1) / "exit.json").read_bytes())
    assert record["why"] == "exit", record
    assert code == 0


def test_F57_no_slot_is_lost_when_a_sink_cannot_open_files(tmp_path: Path) -> None:
    """Views that cannot be written for want of descriptors end, the run does not."""

    class Broken(Recorder):
        def flush(self, state: object) -> None:
            raise OSError(24, "Too many open files")

    said: list[str] = []
    tuner = tuner_in_memory(tmp_path, config_of())
    tuner._sinks = SinkGuard([Broken()], said.append)
    tuner.start("run")
    assert tuner.run().end_reason == "done"
    assert len(said) == 1
