"""Requests of other users to the dashboard, and logs that others wrote: F86 and F88."""
# ruff: noqa: N802

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from autofinetune.sinks.records import MOST_BYTES
from tests.faults.harness import FaultRun
from tests.nursery import Nursery
from tests.sinks.test_board import WAIT_S, Board, names_in_table

pytestmark = pytest.mark.xdist_group("board")
EVIL = "evil.example"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Iterator[FaultRun]:
    """A run that is over."""
    made = FaultRun(tmp_path_factory.mktemp("dashboard") / "run", nursery)
    assert made.finish() == 0, made.console
    yield made
    made.close()


def status_of(board: Board, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    address = urlsplit(board.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=WAIT_S)
    try:
        connection.request(method, path, headers={k.title(): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_F86_only_who_was_given_the_address_is_answered(done: FaultRun, tmp_path: Path) -> None:
    """Neither a page whose name leads here, nor another user of the machine."""
    with Board(done.output_dir, tmp_path, "--port", "0") as board:
        assert len(board.token) >= 32
        api = "/app/api/hparams/list"
        assert status_of(board, f"{api}?token={board.token}")[0] == 200
        assert status_of(board, api)[0] == 403
        assert status_of(board, f"{api}?token={board.token[:-1]}x")[0] == 403
        for host in (EVIL, f"{EVIL}:80", "127.0.0.1.nip.io"):
            code, body = status_of(board, f"{api}?token={board.token}", host=host)
            assert (code, b"trials" in body) == (421, False)
        assert status_of(board, f"{api}?token={board.token}", origin=f"http://{EVIL}")[0] == 403
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert status_of(board, f"{api}?token={board.token}", method)[0] == 405


def test_F86_without_a_token_other_names_are_refused_still(done: FaultRun, tmp_path: Path) -> None:
    with Board(done.output_dir, tmp_path, "--port", "0", "--no-token") as board:
        assert board.token == ""
        assert status_of(board, "/app/api/hparams/list")[0] == 200
        assert status_of(board, "/app/api/hparams/list", host=EVIL)[0] == 421


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge_length(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + b"x" * 100)


def huge_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MOST_BYTES * 100)


def garbage(path: Path) -> None:
    path.write_bytes((100).to_bytes(8, "little") + b"\xff" * 100)


def test_F88_logs_that_are_none_hide_no_other(done: FaultRun, tmp_path: Path) -> None:
    logs = done.paths.visualization
    (logs / "stranger").mkdir()
    for number, write in enumerate((pipe, endless, huge_length, huge_file, garbage)):
        for folder in ("pop_0", "stranger"):
            write(logs / folder / f"vdlrecords.{number}.log")
    with Board(done.output_dir, tmp_path, "--port", "0") as board:
        assert len(names_in_table(board)) == 4
