"""What a training script may do, by accident or not: F01 to F24."""
# ruff: noqa: N802

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import secrets
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.events import SlotQuarantined
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Direction, Status
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import Observation
from autofinetune.executors.devices.slots import find_slots
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run.tuner import Tuner
from autofinetune.sinks import BestModel, Console, SinkGuard, Tables
from autofinetune.store.journal import SqliteJournal
from autofinetune.strategies import create_strategy
from autofinetune.world import World
from tests.faults.harness import DEADLINE_S, FaultRun
from tests.faults.oracle import check_invariants
from tests.helpers import Clock, config_of, tuner_in_memory

HANGS_S = 3.0  # a run that takes longer does not end at all
PREAMBLE = """
import argparse, json, os, resource, shutil, signal, subprocess, sys, threading, time
from autofinetune.trial.report import report_final_result, report_intermediate_result

parser = argparse.ArgumentParser()
for name in ("lr", "units", "saved_params_dir", "model_path", "epochs"):
    parser.add_argument(f"--{name}")
args = parser.parse_args()
TRIAL = int(os.environ["AUTOFINETUNE_TRIAL"])
MODEL = args.saved_params_dir
REPORTS = os.environ["AUTOFINETUNE_REPORT_FILE"]
HERE = os.path.dirname(REPORTS)
LOG = os.path.join(os.path.dirname(MODEL), f"log-{os.environ['AUTOFINETUNE_MEMBER']}.info")
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def note(what, **more):
    line = {"what": what, "trial": TRIAL, "attempt": int(os.environ["AUTOFINETUNE_MARK"][-1]),
            "pid": os.getpid(), "slot": os.environ["CUDA_VISIBLE_DEVICES"],
            "at": time.monotonic(), **more}
    file = os.open(os.environ["FAULT_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, json.dumps(line).encode() + b"\\n")
    os.close(file)


def save():
    with open(os.path.join(MODEL, "weights"), "w") as file:
        file.write(f"model of trial {TRIAL}")


def finish(score):
    report_final_result(score)
    note("acked", score=float(score).hex())


note("start")
"""


RUN = {"rounds": 1}


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str, str], Path]]:
    """Makes a version 1 control group: (controller, file of its limit, the limit)."""
    made: list[Path] = []

    def make(controller: str, file: str, limit: str) -> Path:
        path = Path("/sys/fs/cgroup", controller, f"faults-{os.getpid()}")
        try:
            path.mkdir()
            made.append(path)
            (path / file).write_text(limit)
        except OSError as error:
            pytest.skip(f"no control group of {controller}: {error}")
        return path

    yield make
    for path in made:
        path.rmdir()


def write_script(run: FaultRun, body: str) -> None:
    (run.root / "train.py").write_text(PREAMBLE + textwrap.dedent(body))


def checked(run: FaultRun, code: int, direction: Direction = Direction.MAXIMIZE) -> None:
    assert check_invariants(run.output_dir, run.ledger, code=code, direction=direction) == []


def played(run: FaultRun, body: str, code: int = 0) -> Mapping[int, Trial]:
    """The trials of a run with this script, all invariants checked."""
    write_script(run, body)
    assert run.finish() == code, run.console
    assert "Traceback" not in "\n".join(
        line for line in run.console.splitlines() if " | " not in line
    )
    checked(run, code)
    return run.state().trials


def told(trials: Mapping[int, Trial]) -> list[tuple[str, str, float | None]]:
    return [
        (t.status.value, t.reason, t.score) for t in (trials[number] for number in sorted(trials))
    ]


def log_of(run: FaultRun, trial: int) -> bytes:
    return run.paths.trial_log(0, trial).read_bytes()


def tuner_here(
    run: FaultRun, executor: type[LocalExecutor] = LocalExecutor, **fields: Any
) -> Tuner:
    """A tuner in this process, with real trials and a short grace."""
    config = dataclasses.replace(
        run.config(), working_dir=str(run.root), python=sys.executable, **fields
    )
    run.output_dir.mkdir()
    evaluator = EVALUATORS[config.evaluator](config)
    strategy = create_strategy(
        config.tuning_strategy, config.space, popsize=config.popsize, seed=config.seed
    )
    places = find_slots(run.gpu, {}, None).places
    with (run.root / "console").open("w") as console:
        guard = SinkGuard(
            [
                Console(config, run.paths, console, len(places)),
                BestModel(run.paths),
                Tables(config, run.paths),
            ],
            pytest.fail,
        )
        world = World(Clock(), grace_s=0.1)
        with (
            contextlib.closing(SqliteJournal(run.paths.journal, create=True)) as journal,
            contextlib.closing(executor(places, run.environ())) as made,
            contextlib.closing(guard),
        ):
            tuner = Tuner(config, run.paths, journal, strategy, evaluator, made, guard, world)
            # The name marks its processes, and tests run side by side.
            tuner.start(secrets.token_hex(8))
            tuner.run()
    return tuner


# --- ends and results ---------------------------------------------------------------------------


def test_F01_a_crash_has_a_reason_the_last_lines_and_no_score(run: FaultRun) -> None:
    trials = played(
        run,
        """
        if TRIAL == 1:
            for number in range(30):
                print("line", number)
            sys.exit(3)
        save()
        finish(0.5)
        """,
    )
    assert told(trials) == [("COMPLETED", "", 0.5), ("FAILED", "exit:3", None)]
    assert "reason: exit:3" in run.console
    assert "| line 29\n" in run.console
    assert "| line 2\n" not in run.console
    assert run.paths.trials_csv.read_text().splitlines()[2].startswith("1,0,1,1,FAILED,exit:3,,")


@pytest.mark.parametrize("direction", list(Direction))
def test_F02_a_crash_is_never_best_whatever_the_scores_are(
    run: FaultRun, direction: Direction
) -> None:
    run.popsize, run.rounds = 4, 2
    run.options = ["--max_failures=0", f"--direction={direction.value}"]
    write_script(
        run,
        """
        if TRIAL % 4 == 2:
            sys.exit(1)
        save()
        finish(-5.0 - TRIAL)
        """,
    )
    assert run.finish() == 0
    checked(run, 0, direction)
    state = State(direction)
    state.apply_all(run.events())
    assert state.best is not None
    assert state.best.score == (-5.0 if direction is Direction.MAXIMIZE else -12.0)


def test_F03_scores_that_are_no_numbers_fail_and_odd_numbers_count(run: FaultRun) -> None:
    run.popsize = 8
    trials = played(
        run,
        """
        values = [float("nan"), float("inf"), -float("inf"), "abc", None, 10**400, -10**30]
        if TRIAL == 7:
            import numpy
            values.append(numpy.float32(0.25))
        save()
        if TRIAL < 3:
            report_final_result(values[TRIAL])
        else:
            finish(values[TRIAL])
        """,
    )
    assert told(trials) == [
        *[("FAILED", "nan", None)] * 3,
        *[("FAILED", "exit:1", None)] * 3,
        ("COMPLETED", "", -1e30),
        ("COMPLETED", "", 0.25),
    ]
    for trial, value in ((3, b"'abc'"), (4, b"None"), (5, b"1000")):
        assert b"needs one number such as 0.93, got " + value in log_of(run, trial)


def test_F04_a_result_before_a_bad_end_counts_and_is_told(run: FaultRun) -> None:
    trials = played(run, "save()\nfinish(0.5 + TRIAL)\nsys.exit(TRIAL)")
    assert told(trials)[1] == ("COMPLETED", "exit_after_result:exit:1", 1.5)
    assert "(exit_after_result:exit:1)" in run.console


def test_F05_no_report_is_no_result_and_comes_with_a_hint(run: FaultRun) -> None:
    trials = played(run, "save()", code=3)
    assert told(trials) == [("FAILED", "no_result", None)] * 2
    assert "does it call autofinetune.report_final_result(score)?" in run.console


def test_F06_of_several_reports_the_last_counts_and_all_are_kept(run: FaultRun) -> None:
    run.popsize = 1
    trials = played(
        run,
        """
        save()
        for score in (0.9, 0.1, 0.3, float("nan")):
            report_final_result(score)
        report_final_result(0.2)
        note("acked", score=(0.2).hex())
        """,
    )
    assert told(trials) == [("COMPLETED", "", 0.2)]
    lines = (run.paths.attempt_dir(0, 1) / "reports.jsonl").read_bytes().split()
    assert sum(b'"final"' in line for line in lines) == 5


def test_F07_threads_and_ranks_at_once_leave_one_value_and_whole_lines(run: FaultRun) -> None:
    run.popsize = 1
    trials = played(
        run,
        """
        save()
        for rank in range(1, 4):
            if os.fork() == 0:
                os.environ["RANK"] = str(rank)
                for _ in range(20):
                    report_final_result(float(rank))
                os._exit(0)
        def work():
            for step in range(20):
                report_intermediate_result(step, step)
            report_final_result(0.5)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(3):
            os.wait()
        note("acked", score=(0.5).hex())
        """,
    )
    assert told(trials) == [("COMPLETED", "", 0.5)]
    lines = [
        line
        for line in (run.paths.attempt_dir(0, 1) / "reports.jsonl").read_bytes().split(b"\n")
        if line
    ]
    assert len([json.loads(line) for line in lines]) == 8 * 21


def test_F08_signals_are_reasons_and_count_as_failures(run: FaultRun) -> None:
    run.popsize, run.gpu, run.options = 5, "0", ["--max_failures=3"]
    trials = played(
        run, "os.kill(os.getpid(), [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL][TRIAL])", 3
    )
    assert [trials[n].reason for n in range(3)] == ["signal:11", "signal:6", "signal:9"]
    assert len(run.lines("start")) == 3
    assert "3 trials in a row failed within 10 s" in run.console


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_F09_a_report_cut_by_a_kill_is_whole_or_absent(run: FaultRun) -> None:
    run.popsize = 5
    trials = played(
        run,
        """
        save()
        call = ["openat", "write", "fsync", "close", "exit_group"][TRIAL]
        code = f"from autofinetune.trial.report import report_final_result as report\\n" \\
               f"report(0.1 + {TRIAL} / 7)\\nopen('acked-{TRIAL}', 'w').close()"
        os.execvp("strace", ["strace", "-f", "-qq", "-o", "/dev/null", "-P", REPORTS,
            "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when=1",
            sys.executable, "-c", code])
        """,
    )
    for trial in trials.values():
        score = 0.1 + trial.id / 7
        assert trial.score == score or (trial.score is None and trial.reason == "signal:9")
        assert trial.score == score or not (run.root / f"acked-{trial.id}").exists()
    assert trials[0].score is None
    assert [trials[n].reason for n in (3, 4)] == ["exit_after_result:signal:9", ""]


# --- processes ----------------------------------------------------------------------------------


def test_F10_a_trial_that_hangs_and_is_deaf_is_ended_with_its_tree(run: FaultRun) -> None:
    run.popsize, run.gpu = 2, "0"
    run.plan({"0": {"deaf": True, "tree": True, "hold": "never"}})
    tuner = tuner_here(run, trial_timeout=1.0)
    checked(run, 0)
    assert told(tuner.state.trials)[0] == ("FAILED", "timeout", None)
    assert tuner.state.trials[1].status is Status.COMPLETED
    assert len(run.lines("child")) == 3


class Undying(LocalExecutor):
    """Says of the first trial that one of its processes could not be ended."""

    def poll(self, wait_s: float) -> list[Observation]:
        return [undying(news) for news in super().poll(wait_s)]


def undying(news: Observation) -> Observation:
    if news.exit is None or news.key != (0, 1):
        return news
    return dataclasses.replace(news, exit=dataclasses.replace(news.exit, survivors=(4711,)))


def test_F11_a_slot_whose_processes_cannot_be_ended_gets_no_more_trials(run: FaultRun) -> None:
    run.popsize = 3
    tuner = tuner_here(run, Undying)
    checked(run, 0)
    (event,) = [event for event in run.events() if isinstance(event, SlotQuarantined)]
    assert "4711" in event.reason
    assert "4711" in run.console
    slots = [tuner.state.trials[number].slot for number in range(3)]
    assert slots.count(event.slot) == 1
    assert tuner.state.counts[Status.COMPLETED] == 3


class UndyingInMemory(MemoryExecutor):
    def poll(self, wait_s: float) -> list[Observation]:
        return [undying(news) for news in super().poll(wait_s)]


class Waiting(Exception):
    """The tuner waits for something that nobody will bring."""


def test_F11_a_run_whose_every_slot_is_quarantined_ends(tmp_path: Path) -> None:
    looks = 0

    def look() -> float:
        nonlocal looks
        looks += 1
        if looks > 1000:
            raise Waiting
        return math.inf

    tuner = tuner_in_memory(tmp_path, config_of())
    tuner._executor = UndyingInMemory(["a"], lambda attempt: Played(0.5))
    tuner._world = World(Clock(), free_gb=look)
    tuner.start("run")
    assert tuner.run().end_reason is not None


def test_F12_nothing_that_a_trial_leaves_behind_meets_the_next_one(run: FaultRun) -> None:
    run.popsize, run.rounds, run.gpu = 3, 1, "0"
    run.plan({"*": {"tree": True}, "1": {"deaf": True}})
    assert run.finish() == 0
    checked(run, 0)
    for trial in range(3):
        record = json.loads((run.paths.attempt_dir(trial, 1) / "exit.json").read_bytes())
        assert (record["leftovers"], record["survivors"]) == (3, [])
        assert run.state().trials[trial].status is Status.COMPLETED


def test_F13_a_fork_bomb_ends_with_its_trial(
    run: FaultRun, group: Callable[[str, str, str], Path]
) -> None:
    run.env["GROUP"] = str(group("pids", "pids.max", "40"))
    trials = played(
        run,
        """
        if TRIAL == 0:
            open(os.environ["GROUP"] + "/cgroup.procs", "w").write(str(os.getpid()))
            while True:
                if os.fork() == 0:
                    signal.pause()
        save()
        finish(0.5)
        """,
    )
    assert told(trials) == [("FAILED", "exit:1", None), ("COMPLETED", "", 0.5)]
    record = json.loads((run.paths.attempt_dir(0, 1) / "exit.json").read_bytes())
    assert record["leftovers"] == 39


def test_F14_out_of_memory_is_told_and_a_kill_beside_it_is_a_kill(
    run: FaultRun, group: Callable[[str, str, str], Path]
) -> None:
    """The whole run has a limit; the kernel kills the trial that eats, the other kills itself."""
    limited = group("memory", "memory.limit_in_bytes", str(400 << 20))
    run.popsize, run.rounds = 3, 1
    run.options = ["--max_failures=0"]
    write_script(
        run,
        """
        if TRIAL == 0:
            while not os.path.exists("second"):
                time.sleep(0.005)
            eaten = b"x" * (800 << 20)
        if TRIAL == 1:
            open("second", "w").close()
            first = os.path.join(os.path.dirname(HERE), "../0/attempt-1/exit.json")
            while not os.path.exists(first):
                time.sleep(0.005)
            os.kill(os.getpid(), signal.SIGKILL)
        save()
        finish(0.5)
        """,
    )
    enter = ["sh", "-c", f'echo $$ > {limited}/cgroup.procs && exec "$@"', "sh"]
    assert run.start_fresh(*run.new_words(), before=enter).wait(DEADLINE_S) == 0, run.console
    checked(run, 0)
    trials = run.state().trials
    assert told(trials) == [
        ("FAILED", "oom", None), ("FAILED", "signal:9", None), ("COMPLETED", "", 0.5)
    ]  # fmt: skip


# --- what it prints and reads -------------------------------------------------------------------


def test_F15_much_output_keeps_its_head_and_tail_and_little_memory(run: FaultRun) -> None:
    run.popsize = 1
    half = 64 << 20
    trials = played(
        run,
        """
        part = b"x" * (1 << 20)  # one line, without an end
        os.write(1, b"the first words")
        for _ in range(150):
            left = part
            while left:
                left = left[os.write(1, left):]
        os.write(1, b"the last words")
        def peak(pid):
            text = open(f"/proc/{pid}/status").read()
            return int(text.split("VmHWM:")[1].split()[0])
        runner = os.getppid()
        tuner = int(open(f"/proc/{runner}/stat").read().rpartition(")")[2].split()[1])
        json.dump([peak(runner), peak(tuner)], open("peaks", "w"))
        sys.exit(5)
        """,
        code=3,
    )
    assert told(trials) == [("FAILED", "exit:5", None)]
    log = run.paths.trial_log(0, 0)
    size = log.stat().st_size
    assert 1.4 * half < size < 2 * half + 1000
    with log.open("rb") as file:
        assert file.read(20) == b"the first wordsxxxxx"
        file.seek(half)
        assert b"bytes left out" in file.read(100)
        file.seek(size - 20)
        assert file.read() == b"xxxxxxthe last words"
    log.unlink()
    assert not list(run.paths.attempt_dir(0, 1).glob("tail.*"))
    runner, tuner = json.loads((run.root / "peaks").read_text())
    assert runner < 60_000
    assert tuner < 500_000


def test_F16_any_bytes_are_kept_and_shown_as_safe_text(run: FaultRun) -> None:
    run.popsize = 1
    played(
        run,
        r"""
        os.write(1, bytes(range(256)) * 3 + b"\n\x1b[31mred\x1b[0m\n\xed\xa0\x80 surrogate\n")
        os.write(1, b"".join(b"\r%d%%" % n for n in range(101)) + b"\n\x1b]0;title\x07end\n")
        sys.exit(1)
        """,
        code=3,
    )
    raw = log_of(run, 0)
    assert raw.startswith(bytes(range(256)) * 3)
    assert b"\xed\xa0\x80 surrogate" in raw
    assert not set(run.console) & {chr(code) for code in (*range(9), *range(11, 32), 127)}
    for line in ("| red", "| 100%", "surrogate", "end"):
        assert line in run.console
    assert "99%" not in run.console


def test_F17_lines_that_look_like_reports_are_only_output(run: FaultRun) -> None:
    trials = played(
        run,
        """
        for stream in (sys.stdout, sys.stderr):
            print('\\n{"final": 0.99}\\nreward=0.99 AFT_RESULT 0.99', file=stream, flush=True)
        if TRIAL:
            save()
            finish(0.5)
        """,
    )
    assert told(trials) == [("FAILED", "no_result", None), ("COMPLETED", "", 0.5)]


def test_F18_standard_input_is_at_its_end(run: FaultRun) -> None:
    trials = played(
        run,
        """
        import readline
        try:
            input("your name? ")
        except EOFError:
            save()
            finish(0.5 if sys.stdin.read() == "" else 0.0)
        """,
    )
    assert told(trials) == [("COMPLETED", "", 0.5)] * 2


# --- what it does to our files ------------------------------------------------------------------


def test_F19_a_trial_that_deletes_its_round_keeps_its_result(run: FaultRun) -> None:
    run.popsize, run.gpu = 3, "0"
    write_script(
        run,
        """
        os.chdir("/")
        save()
        finish(0.5 + TRIAL)
        if TRIAL == 2:
            shutil.rmtree(os.path.dirname(MODEL))
        """,
    )
    assert run.finish() == 0, run.console
    trials = run.state().trials
    assert told(trials) == [("COMPLETED", "", 0.5 + n) for n in range(3)]
    assert not trials[2].has_model
    assert "saved no model" in run.console
    checked(run, 0)


def test_F19_a_trial_that_deletes_its_attempt_does_not_hold_the_run_up(run: FaultRun) -> None:
    run.popsize = 1
    write_script(run, "save()\nfinish(0.5)\nshutil.rmtree(HERE)")
    assert run.start().wait(HANGS_S) in (0, 3)
    checked(run, 0)


REPLACING = """
def replace(path):
    if os.path.lexists(path):
        os.remove(path)
    if KIND == "link":
        os.symlink(os.path.abspath("stranger"), path)
    elif KIND == "fifo":
        os.mkfifo(path)
    elif KIND == "folder":
        os.mkdir(path)
    elif KIND == "sparse":
        with open(path, "wb") as file:
            file.truncate(1 << 27)
"""


def test_F20_reports_that_are_no_plain_file_are_no_result(run: FaultRun) -> None:
    run.popsize = 5
    stranger = run.root / "stranger"
    stranger.write_text('{"final": 0.99}\n')
    trials = played(
        run,
        'KIND = ["link", "fifo", "folder", "sparse", "none"][TRIAL]\n'
        + REPLACING
        + "save()\nreplace(REPORTS)\nif TRIAL == 4: finish(0.5)",
    )
    assert told(trials) == [*[("FAILED", "no_result", None)] * 4, ("COMPLETED", "", 0.5)]
    assert stranger.read_text() == '{"final": 0.99}\n'


def test_F20_a_log_replaced_by_something_else_does_not_hold_the_run_up(run: FaultRun) -> None:
    run.popsize = 4
    (run.root / "stranger").write_text("precious")
    write_script(
        run, 'KIND = ["link", "folder", "fifo", ""][TRIAL]\n' + REPLACING + "replace(LOG)\nexit(7)"
    )
    assert run.finish() == 3
    checked(run, 3)


def test_F20_a_record_replaced_by_something_else_does_not_hold_the_run_up(run: FaultRun) -> None:
    run.popsize, run.gpu = 7, "cpu:7"
    (run.root / "stranger").write_text("precious")
    write_script(
        run,
        REPLACING
        + """
KIND, name = [("fifo", "exit.json.tmp"), ("folder", "exit.json.tmp"), ("fifo", "exit.json"),
              ("folder", "exit.json"), ("link", "exit.json.tmp"), ("fifo", "started.json"),
              ("fifo", "tail.old")][TRIAL]
replace(os.path.join(HERE, name))
sys.exit(7)
""",
    )
    try:
        assert run.start().wait(HANGS_S) == 3
    finally:
        for path in run.paths.trials.rglob("*"):
            if path.is_fifo():
                path.unlink()  # what looks through this directory later must not wait
    assert {trial.reason for trial in run.state().trials.values()} == {"exit:7"}
    assert (run.root / "stranger").read_text() == "precious"


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "\0" * 9,
        "{}",
        '{"why": 5}',
        '{"why": "exit", "returncode": "0", "seconds": 1}',
    ],
)
def test_F20_a_forged_exit_record_does_not_stop_the_tuner(run: FaultRun, text: str) -> None:
    run.popsize = 1
    write_script(
        run,
        f"""
        if HERE.endswith("1"):
            with open(HERE + "/exit.json", "w") as file:
                file.write({text!r})
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
        save()
        finish(0.5)
        """,
    )
    assert run.finish() == 0, run.console
    found = check_invariants(run.output_dir, run.ledger, code=0)
    assert [line for line in found if "exit.json" not in line] == []


def test_F20_a_model_folder_replaced_by_a_link_is_not_followed(run: FaultRun) -> None:
    run.popsize = 1
    stranger = run.root / "stranger"
    stranger.mkdir()
    (stranger / "private").write_text("precious")
    write_script(
        run, "os.rmdir(MODEL)\nos.symlink(os.path.abspath('stranger'), MODEL)\nfinish(0.5)"
    )
    assert run.finish() == 0, run.console
    assert not (run.paths.best_model / "private").exists()
    assert (stranger / "private").read_text() == "precious"


def test_F21_models_that_nobody_needs_go_once_the_best_is_safe(run: FaultRun) -> None:
    run.rounds, run.evaluator = 4, "fulltrail"
    run.options = ["--keep_models=best"]
    assert run.finish() == 0
    checked(run, 0)
    kept = {
        trial.id
        for trial in run.state().trials.values()
        if (run.paths.model(trial.round, trial.member) / "weights").exists()
    }
    assert kept == {next(run.state().ranked()).id}


def test_F21_a_model_above_the_limit_of_files_is_a_crash(run: FaultRun) -> None:
    trials = played(
        run,
        """
        if TRIAL:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
            open(os.path.join(MODEL, "weights"), "wb").write(b"w" * 20000)
        save()
        finish(0.5)
        """,
    )
    assert told(trials)[1] == ("FAILED", "exit:1", None)
    assert b"File too large" in log_of(run, 1)


# --- scripts that cannot work -------------------------------------------------------------------


def test_F22_a_script_that_fails_at_once_stops_the_run_with_one_cause(run: FaultRun) -> None:
    run.popsize, run.rounds, run.options = 5, 10, []
    trials = played(run, "import no_such_module", code=3)
    assert 3 <= sum(t.status is Status.FAILED for t in trials.values()) <= 4
    end = run.console[run.console.index("ERROR ") :]
    assert end.count("No module named 'no_such_module'") == 1
    assert "autofinetune resume result" in end


def test_F23_an_option_that_the_script_lacks_is_named_before_any_trial(run: FaultRun) -> None:
    hparam = json.loads((run.root / "hparam.yaml").read_text())
    hparam["param_list"][0]["name"] = "learning-rate"
    (run.root / "hparam.yaml").write_text(json.dumps(hparam))
    words = [word for word in run.new_words() if word != "--skip-preflight"]
    assert run.finish(*words) == 2
    assert "--learning-rate" in run.console
    assert not run.output_dir.exists()
    assert run.finish() == 3  # without the look before, the trials tell it
    assert {t.reason for t in run.state().trials.values()} == {"exit:2"}
    assert "unrecognized arguments: --learning-rate=" in run.console
    spec = json.loads((run.paths.attempt_dir(0, 1) / "spec.json").read_bytes())
    assert any(word.startswith("--learning-rate=") for word in spec["argv"])
    assert not run.lines("start")


def test_F24_a_rank_that_waits_for_a_dead_one_times_out(run: FaultRun) -> None:
    run.options = ["--max_failures=0", "--trial_timeout=1"]
    trials = played(
        run,
        """
        if TRIAL == 0:
            ranks = [subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
                     for code in ("import time; time.sleep(1000)", "raise SystemExit(1)")]
            for rank in ranks:
                rank.wait()
        save()
        finish(0.5)
        """,
    )
    assert told(trials) == [("FAILED", "timeout", None), ("COMPLETED", "", 0.5)]
