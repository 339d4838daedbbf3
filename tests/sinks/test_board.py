"""The dashboard as a user sees it: its own process, and a browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from autofinetune.core.events import TrialEnded
from autofinetune.core.state import State
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks.board import (
    CORRECTIONS,
    at_most_every,
    loaded_first,
    walk_in_order,
)
from autofinetune.sinks.visualdl import VisualDL, import_visualdl
from autofinetune.store.paths import RunPaths
from tests.helpers import Recorder, config_of, tuner_in_memory

pytestmark = pytest.mark.xdist_group("board")  # for its fixtures

WAIT_S = 60
CHROMIUM = shutil.which("chromium")
AUDIT = """
import os, sys
def note(event, args):
    if event == "socket.connect":
        with open(os.environ["CONNECTIONS"], "a") as file:
            print(args[1], file=file)
sys.addaudithook(note)
"""


class Board:
    """A dashboard in its own process; `connections` lists the addresses it contacted."""

    def __init__(self, output_dir: Path, scratch: Path, *options: str) -> None:
        (scratch / "sitecustomize.py").write_text(AUDIT)
        self.connections = scratch / "connections"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autofinetune", "dashboard", str(output_dir), *options],
            env={
                **os.environ, "PYTHONPATH": str(scratch), "CONNECTIONS": str(self.connections)
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        self.url, _, query = self.first_line.partition(" ")[0].partition("?")
        self.token = query.removeprefix("token=")

    def text(self, path: str) -> str:
        address = f"{self.url}{path}{'&' if '?' in path else '?'}token={self.token}"
        with urllib.request.urlopen(address, timeout=WAIT_S) as answer:
            return str(answer.read().decode())

    def api(self, path: str) -> Any:
        answer = json.loads(self.text(f"app/api/{path}"))
        assert answer["status"] == 0, answer
        return answer["data"]

    def wait(self) -> tuple[int, str, str]:
        """Return (exit code, output after the first line, errors) once it has ended."""
        out, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, errors

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.wait()


def play(attempt: Attempt) -> Played:
    """Trial 1 fails."""
    return Played(final=None if attempt.trial == 1 else 0.5 + attempt.trial / 8)


@pytest.fixture(scope="module")
def output_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 2 rounds of 2 trials."""
    root = tmp_path_factory.mktemp("run")
    config = config_of(popsize=2, round=2)
    sink = VisualDL(config, RunPaths(root))
    tuner = tuner_in_memory(root, config, program=play, sinks=[sink])
    tuner.start("run")
    tuner.run()
    return root


@pytest.fixture(scope="module")
def board(output_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with Board(output_dir, tmp_path_factory.mktemp("scratch"), "--port", "0") as started:
        yield started


# --- the process --------------------------------------------------------------------------------


def test_pages_for_this_machine_only_in_order_and_by_short_names(board: Board) -> None:
    assert board.first_line.startswith("http://127.0.0.1:")
    tags = board.api("scalar/tags")
    trials = [f"trials/r00{round_}_p{member}" for round_ in range(2) for member in range(2)]
    assert tags["runs"] == [
        "best",
        "pop_0",
        "pop_1",
        *(t for t in trials if t != "trials/r000_p1"),
    ]
    assert "hyperparameter_tuning/best_eval_value" in tags["tags"][0]
    tag = quote("hyperparameter_tuning/best_eval_value", safe="")
    points = board.api(f"scalar/list?run=best&tag={tag}")
    assert [(step, value) for _, step, value in points] == [(0, 0.5), (1, 0.875)]


def test_the_table_has_every_trial(board: Board) -> None:
    rows = {row["name"]: row for row in board.api("hparams/list")}
    assert rows["trials/r001_p1"]["metrics"] == {"trial/eval_value": 0.875}
    assert rows["trials/r000_p1"]["metrics"] == {}
    assert rows["trials/r000_p0"]["hparams"] == {"lr": 0.001, "units": 16.0, "optimizer": "sgd"}
    types = {axis["name"]: axis["type"] for axis in board.api("hparams/indicators")["hparams"]}
    assert types == {"lr": "continuous", "units": "continuous", "optimizer": "string"}


def test_nobody_else_is_told(board: Board) -> None:
    board.api("hparams/list")
    # VisualDL's own page carries this id unless telemetry is off.
    assert "63a600296f8a71f576c4806376a9245b" not in board.text("app/index")
    assert not board.connections.exists()


def test_an_idle_connection_stops_nobody(board: Board) -> None:
    host, _, port = board.url.removeprefix("http://").rstrip("/").rpartition(":")
    with socket.create_connection((host, int(port))):
        assert board.text("alive") == ""


def test_corrected_pages_are_served(board: Board) -> None:
    for file, pairs in CORRECTIONS.items():
        served = board.text(f"app/{file}")
        for old, new in pairs:
            assert new in served
            assert old not in served


def test_ctrl_c_ends_it_without_a_word(output_dir: Path, tmp_path: Path) -> None:
    with Board(output_dir, tmp_path, "--port", "0") as board:
        assert board.text("alive") == ""
        board.process.send_signal(signal.SIGINT)
        assert board.wait() == (-signal.SIGINT, "", "")


def test_a_taken_port_is_said(output_dir: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Board(output_dir, tmp_path, "--port", str(port)) as board:
            code, out, errors = board.wait()
    assert (code, board.first_line + out) == (4, "")
    assert errors == (
        f"ERROR 127.0.0.1:{port} cannot be used: Address already in use\n"
        "TIP   choose another port with --port, or another address with --host\n"
    )


def test_what_grows_is_shown(tmp_path: Path) -> None:
    config = config_of(popsize=1, round=2)
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config, sinks=[recorder])
    tuner.start("run")
    tuner.run()
    sink, state = VisualDL(config, RunPaths(tmp_path)), State()
    events = iter(recorder.events)

    def tell_until_a_trial_has_ended() -> None:
        for event in events:
            state.apply(event)
            sink.handle(event, state)
            sink.flush(state)
            if isinstance(event, TrialEnded):
                break

    tell_until_a_trial_has_ended()
    with Board(tmp_path, tmp_path, "--port", "0") as board:
        assert names_in_table(board) == ["trials/r000_p0"]
        tell_until_a_trial_has_ended()
        while (names := names_in_table(board)) == ["trials/r000_p0"]:
            pass  # it looks for new data only every few seconds
    assert names == ["trials/r000_p0", "trials/r001_p0"]


def names_in_table(board: Board) -> list[str]:
    return [row["name"] for row in board.api("hparams/list")]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")
def test_a_browser_shows_the_table(board: Board, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={tmp_path}", "--window-size=1500,1100",
         "--virtual-time-budget=20000", "--dump-dom",
         f"{board.url}app/hyper-parameter?token={board.token}"],
        capture_output=True, text=True, timeout=WAIT_S,
    )  # fmt: skip
    for word in ("trials/r000_p0", "trials/r001_p1", "trial/eval_value", "0.875", "NaN", "adam"):
        assert word in done.stdout, word


# --- the parts ----------------------------------------------------------------------------------


def test_every_correction_fits_the_installed_pages() -> None:
    pages = Path(import_visualdl().__file__).parent / "server/dist"
    for file, pairs in CORRECTIONS.items():
        for old, _ in pairs:
            assert (pages / file).read_text().count(old) == 1, (file, old)


class Reader:
    """Counts its loads, like the several readers of a server."""

    def __init__(self) -> None:
        self.loads = 0


def test_each_reader_loads_at_most_every_two_seconds() -> None:
    clock = [100.0]

    def load(reader: Reader, update: bool) -> None:
        reader.loads += 1

    load_sometimes = at_most_every(2.0, load, lambda: clock[0])
    first, second = Reader(), Reader()
    for clock[0] in (100.0, 101.0, 101.9, 102.0, 103.0):
        load_sometimes(first)
    load_sometimes(second, update=True)
    assert (first.loads, second.loads) == (2, 1)


def test_a_file_that_a_resumed_run_removed_is_no_error() -> None:
    def load(reader: Reader, update: bool) -> None:
        raise FileNotFoundError

    at_most_every(2.0, load, lambda: 0.0)(Reader())


def test_an_api_loads_before_it_answers() -> None:
    said: list[str] = []

    def get(api: object, key: str) -> str:
        said.append(key)
        return "answer"

    api = SimpleNamespace(_reader=SimpleNamespace(load_new_data=lambda: said.append("load")))
    assert loaded_first(get)(api, "key") == "answer"
    assert said == ["load", "key"]


def test_directories_are_walked_in_natural_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pop_10", "pop_2", "trials/r002_p0", "trials/r010_p0"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    reader = SimpleNamespace(dir=["./"])
    walk_in_order(reader)
    found = [".", "pop_2", "pop_10", "trials", "trials/r002_p0", "trials/r010_p0"]
    assert list(reader.walks) == found
