"""Output streams that are closed, full, or cannot encode a character."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from autofinetune import terminal


def stream_of(descriptor: int, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(os.fdopen(descriptor, "wb"), encoding=encoding)


def closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_what_cannot_be_shown_is_escaped(tmp_path: Path) -> None:
    stream = stream_of(os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT), "ascii")
    terminal.write(stream, "größe \udcff\n")
    stream.close()
    assert (tmp_path / "out").read_bytes() == b"gr\\xf6\\xdfe \\udcff\n"


@pytest.mark.parametrize("is_full", [False, True])
def test_a_lost_line_raises_nothing(monkeypatch: pytest.MonkeyPatch, is_full: bool) -> None:
    stream = stream_of(os.open("/dev/full", os.O_WRONLY) if is_full else closed_pipe())
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", stream)
    for say in (terminal.out, terminal.err):
        say("x" * 100_000)
    terminal.let_go()
    stream.close()


def test_a_stream_that_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr("sys.stdout", stream)
    terminal.out("x")


def test_a_handler_writes_past_the_buffers(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.err_in_handler("stopping")
    assert capfd.readouterr().err == "\nstopping\n"
    kept = os.dup(2)
    os.close(2)
    terminal.err_in_handler("nobody reads this")
    os.dup2(kept, 2)
    os.close(kept)
