"""Outputs that are closed, full, gone or unable to encode a character: F67, F80, F81 and F88."""
# ruff: noqa: N802

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.cells import cell_len

from autofinetune.core.run_state import INTERRUPTED
from tests.faults.harness import DEADLINE_S, HPARAM, FaultRun, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_trial_behaviour import PREAMBLE

WORD = "größe→é"
KIND = {"name": "kind", "type": "choice", "choices": [WORD, "plain"], "init_value": WORD}
SCRIPT = PREAMBLE.replace('("lr", ', '("kind", "lr", ') + (
    "note('child', kind=ascii(args.kind))\nsave()\nfinish(0.5 - TRIAL / 10)\n"
)


RUN = {"popsize": 1, "gpu": "0"}


def use_words(run: FaultRun) -> None:
    """Let the best trial have a word in its hyperparameters that few encodings have."""
    (run.root / "train.py").write_text(SCRIPT)
    space = {"param_list": [*HPARAM["param_list"], KIND]}
    (run.root / "hparam.yaml").write_text(json.dumps(space))


def words_of(run: FaultRun) -> Mapping[str, Sequence[str]]:
    """What a person types, in order."""
    return {
        "dry-run": [*run.new_words(), "--dry-run"],
        "run": run.new_words(),
        "status": ["status", run.out],
        "lineage": ["lineage", run.out],
        "resume": ["resume", run.out],
    }


def locales(folder: Path, name: str) -> dict[str, str]:
    """The variables of a locale that is made for the test."""
    if shutil.which("localedef") is None:
        pytest.skip("needs localedef")
    made = subprocess.run(
        ["localedef", "-i", "en_US", "-f", name, str(folder / "test")],
        capture_output=True, check=False,
    )  # fmt: skip
    if not (folder / "test/LC_CTYPE").exists():
        pytest.skip(f"no locale of {name}: {made.stderr!r}")
    return {"LOCPATH": str(folder), "LC_ALL": "test", "PYTHONUTF8": "0"}


def all_commands(run: FaultRun, shell: str, env: Mapping[str, str]) -> dict[str, int]:
    """The exit codes of all commands under a line of a shell that ends with `"$@"`."""
    use_words(run)
    codes = {}
    for name, words in words_of(run).items():
        with (run.root / "console").open("ab") as console:
            life = subprocess.Popen(
                ["sh", "-c", shell, "sh", sys.executable, "-m", "autofinetune", *words],
                cwd=run.root, env={**run.environ(), **env}, stdin=subprocess.DEVNULL,
                stdout=console, stderr=console,
            )  # fmt: skip
        run.lives.append(life)
        codes[name] = life.wait(DEADLINE_S)
    return codes


ALL_WELL = dict.fromkeys(("dry-run", "run", "status", "lineage", "resume"), 0)


def check(run: FaultRun) -> None:
    assert check_invariants(run.output_dir, run.ledger, code=0) == [], run.console
    assert "Traceback" not in run.console
    assert "stopped (" not in run.console  # a sink that broke
    assert len(run.state().trials) == 2
    assert not any(trial.lost for trial in run.state().trials.values())


@pytest.mark.parametrize("closed", ["exec >&-", "exec 2>&-", "exec >&- 2>&-", "exec <&- >&- 2>&-"])
def test_F80_closed_outputs_change_nothing(run: FaultRun, closed: str) -> None:
    codes = all_commands(run, f'{closed}; exec "$@"', {})
    assert codes == ALL_WELL, run.console
    check(run)


def test_F80_a_mistake_keeps_its_exit_code_without_a_place_to_tell_it(run: FaultRun) -> None:
    words = [sys.executable, "-m", "autofinetune", "status", "nowhere"]
    for closed in ("2>&-", ">&- 2>&-"):
        shell = f"exec {closed}; exec {shlex.join(words)}"
        done = subprocess.run(["sh", "-c", shell], cwd=run.root, env=run.environ(), check=False)
        assert done.returncode == 2


@pytest.mark.parametrize(("full", "status"), [("exec 2>/dev/full", 0), ("exec >/dev/full", 4)])
def test_F80_a_full_output_is_an_error_of_what_prints_a_result_alone(
    run: FaultRun, full: str, status: int
) -> None:
    assert all_commands(run, f'{full}; exec "$@"', {}) == {**ALL_WELL, "status": status}
    check(run)


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "utf-16"},
    ],
    ids=["C", "C-strict", "ascii", "latin-1", "utf-16"],
)
def test_F81_any_encoding_shows_any_value(run: FaultRun, env: Mapping[str, str]) -> None:
    assert all_commands(run, 'exec "$@"', env) == ALL_WELL, run.console
    check(run)


@pytest.mark.parametrize("name", ["ISO-8859-1", "EUC-JP"])
def test_F81_in_a_real_locale_trials_run_and_get_what_it_can_write(
    run: FaultRun, tmp_path: Path, name: str
) -> None:
    env = locales(tmp_path, name)
    assert all_commands(run, 'exec "$@"', env) == ALL_WELL
    assert check_invariants(run.output_dir, run.ledger, code=0) == []
    assert not any(trial.lost for trial in run.state().trials.values())
    assert run.state().trials[0].params["kind"] == WORD


class Window:
    """A tuner in a terminal of a given width; it can be closed."""

    def __init__(self, run: FaultRun, words: Sequence[str], columns: int, term: str) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.life = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "autofinetune", *words],
            cwd=run.root, env={**run.environ(), "TERM": term},
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        run.lives.append(self.life)

    def close(self) -> None:
        os.close(self._ours)

    def read_all(self) -> str:
        said = b""
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 65536):
                said += data
        return said.decode()

    def read_until(self, word: str) -> str:
        said = b""
        while word.encode() not in said:
            ready, _, _ = select.select([self._ours], [], [], DEADLINE_S)
            data = b""
            with contextlib.suppress(OSError):
                data = os.read(self._ours, 65536) if ready else b""
            assert data, said.decode(errors="replace")
            said += data
        return said.decode(errors="replace")


needs_setsid = pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid is missing")


@needs_setsid
@pytest.mark.parametrize(
    ("columns", "term"), [(40, "xterm"), (10_000, "xterm"), (0, "xterm"), (80, "dumb")]
)
def test_F80_a_terminal_of_any_width(run: FaultRun, columns: int, term: str) -> None:
    use_words(run)
    waiting = "while not os.path.exists('go'):\n    time.sleep(0.01)\n"
    (run.root / "train.py").write_text(
        SCRIPT.replace("save()\nfinish", f"{waiting}save()\nfinish")
    )
    window = Window(run, run.new_words(), columns, term)
    before = ""
    if term == "dumb":
        wait_until(lambda: run.lines("child"))
    else:
        before = window.read_until(" running")
    run.release()
    said = before + window.read_all()
    window.close()
    assert window.life.wait(DEADLINE_S) == 0, said
    check(run)
    assert WORD in said
    drawn = [re.split("\r|\x1b\\[J", part)[0] for part in said.split("\x1b[2K")[1:]]
    live = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in drawn]
    assert any(" running" in line for line in live) == (term != "dumb")
    assert all(cell_len(line) < (columns or 80) for line in live)
    assert "Traceback" not in said


@needs_setsid
def test_F67_a_terminal_that_is_closed_drains_the_run(run: FaultRun) -> None:
    run.plan({"*": {"hold": "go"}})
    window = Window(run, run.new_words(), 80, "xterm")
    wait_until(lambda: run.lines("start"))
    window.close()
    wait_until(lambda: run.release() or window.life.poll() is not None)  # type: ignore[func-returns-value]
    assert window.life.returncode == 129
    assert check_invariants(run.output_dir, run.ledger, code=129) == []
    assert run.state().end_reason == INTERRUPTED


@pytest.mark.parametrize("outputs", ["2>/dev/full", "2>&1 | head -1", ">&- 2>&-"])
def test_F67_a_signal_that_cannot_be_told_drains_the_run(run: FaultRun, outputs: str) -> None:
    run.plan({"*": {"hold": "go"}})
    command = shlex.join([sys.executable, "-m", "autofinetune", *run.new_words()])
    shell = f"({command}; echo $? >code) {outputs}"
    life = subprocess.Popen(
        ["sh", "-c", shell], cwd=run.root, env=run.environ(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    run.lives.append(life)
    wait_until(lambda: run.lines("start"))
    lock = run.paths.lock.read_text()
    os.kill(int(lock.split()[1]), signal.SIGTERM)
    run.release()
    wait_until(lambda: (run.root / "code").exists() and (run.root / "code").read_text())
    assert (run.root / "code").read_text() == "143\n"
    life.wait()  # the shell
    assert check_invariants(run.output_dir, run.ledger, code=143) == []
    assert run.state().end_reason == INTERRUPTED


def test_F88_too_few_descriptors_are_told_as_that(run: FaultRun) -> None:
    shell = 'ulimit -n 8; exec "$@"'
    life = run.start_fresh(before=("sh", "-c", shell, "sh"))
    assert life.wait(DEADLINE_S) == 4
    assert "Too many open files" in run.console
    assert "disk" not in run.console
    assert "Traceback" not in run.console


def test_F88_the_commands_that_are_told_work_for_any_name(run: FaultRun) -> None:
    run.out = "-dash"
    run.plan({"*": {"hold": "go"}})
    words = [word.replace("--output_dir=", "--output_dir=") for word in run.new_words()]
    life = run.start(*words)
    wait_until(lambda: run.lines("start"))
    life.send_signal(signal.SIGINT)
    wait_until(lambda: "no new trials" in run.console)
    run.release()
    assert life.wait(DEADLINE_S) == 130
    told = run.console.partition("To continue: autofinetune ")[2].partition("\n")[0]
    assert shlex.split(told) == ["resume", "./-dash"]
    assert run.finish(*shlex.split(told)) == 0, run.console
