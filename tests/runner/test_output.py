"""One log of all ranks: rank 0 unchanged, the lines of the others marked."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pytest import MonkeyPatch, TempPathFactory

from autofinetune.runner.log import BoundedLog
from autofinetune.runner.output import Output
from autofinetune.runner.scan import Scanner

Printed = list[tuple[int, bytes]]


def log_of(root: Path, printed: Printed) -> bytes:
    """Return the log after ranks 0 to 2 printed these parts, each read at once."""
    output = Output(BoundedLog(str(root / "log"), str(root)), Scanner(str(root / "reports")))
    ends = [output.pipe(rank) for rank in range(3)]
    pipes = output.pipes
    for rank, data in printed:
        os.write(ends[rank], data)
        assert output.pump(pipes[rank])
        assert not output.pump(pipes[rank])
    for end in ends:
        os.close(end)
    output.close()
    assert output.pipes == []
    return (root / "log").read_bytes()


def test_rank_0_is_kept_as_it_is(tmp_path: Path) -> None:
    assert log_of(tmp_path, [(0, b"a\xff\r"), (0, b"b\nc")]) == b"a\xff\rb\nc"


def test_lines_of_others_are_marked_and_do_not_cut_those_of_rank_0(tmp_path: Path) -> None:
    printed = [(0, b"loss"), (1, b"hello\nwor"), (0, b" 0.5"), (2, b"x\n"), (0, b"\nnext")]
    assert log_of(tmp_path, printed) == (
        b"loss 0.5\n[rank 1] hello\n[rank 2] x\nnext\n[rank 1] wor\n"
    )


def test_between_lines_others_are_heard_at_once(tmp_path: Path) -> None:
    printed = [(1, b"first\n"), (0, b"one\n"), (2, b"second\n"), (0, b"two\n")]
    assert log_of(tmp_path, printed) == b"[rank 1] first\none\n[rank 2] second\ntwo\n"


def test_rank_0_cannot_silence_the_others(tmp_path: Path) -> None:
    long = b"y" * 70_000
    printed = [(0, b"bar"), (1, b"a\n"), (1, long), (0, b"=="), (2, b"b\n")]
    assert log_of(tmp_path, printed) == (
        b"bar\n[rank 1] a\n[rank 1] " + long + b"\n==\n[rank 2] b\n"
    )


def test_a_pipe_of_the_usual_size_will_do(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("too much memory in pipes")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert log_of(tmp_path, [(0, b"a\n"), (1, b"b\n")]) == b"a\n[rank 1] b\n"


PARTS = st.lists(
    st.tuples(st.integers(0, 2), st.text("ab\n", min_size=1, max_size=8).map(str.encode)),
    max_size=30,
)


@given(PARTS)
def test_nothing_is_lost_and_each_rank_keeps_its_order(
    tmp_path_factory: TempPathFactory, printed: Printed
) -> None:
    lines = log_of(tmp_path_factory.mktemp("log"), printed).splitlines(keepends=True)
    for rank in (1, 2):
        mark = b"[rank %d] " % rank
        said = b"".join(data for number, data in printed if number == rank)
        heard = b"".join(line.removeprefix(mark) for line in lines if line.startswith(mark))
        assert heard == (said if said.endswith(b"\n") or not said else said + b"\n")
    first = b"".join(line for line in lines if not line.startswith(b"["))
    said = b"".join(data for rank, data in printed if rank == 0)
    assert first.removesuffix(b"\n") == said.removesuffix(b"\n")
