"""The table in a notebook."""

from __future__ import annotations

import html.parser
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from autofinetune.core.events import AttemptPlanned, Reported, RunEnded, TrialCreated
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.sinks import Console
from autofinetune.sinks.live.notebook import Notebook, as_html, updater
from autofinetune.sinks.live.sink import on_console
from autofinetune.sinks.live.snapshot import Best, Row, Snapshot
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, tuner_in_memory
from tests.sinks.test_conformance import some_fail


class Reader(html.parser.HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_follows_a_whole_run(tmp_path: Path) -> None:
    shown: list[str] = []
    sink = Notebook(shown.append)
    tuner = tuner_in_memory(tmp_path, config_of(), program=some_fail, sinks=[sink])
    tuner.start("run")
    tuner.run()
    sink.close()
    assert not sink.is_behind
    last = Reader(shown[-1]).text
    assert "9/9 done" in last
    assert "7 finished" in last
    assert "2 failed" in last
    assert "best 0.956877 by trial 2" in last


def test_it_is_not_updated_for_each_event() -> None:
    shown: list[str] = []
    sink, state = Notebook(shown.append), State()
    sink.handle(TrialCreated(1.0, 0, 0, 0, (), {"lr": 0.1}, None), state)
    sink.handle(AttemptPlanned(1.0, 0, 1, Slot("0")), state)
    for step in range(500):
        sink.handle(Reported(1.0, 0, 1, step, 0.5, 1), state)
        sink.flush(state)
    assert len(shown) < 250
    assert sink.is_behind or ">499<" in shown[-1]
    sink.handle(RunEnded(2.0, "done"), state)
    sink.flush(state)
    assert ">499<" in shown[-1]
    assert not sink.is_behind
    sink.obstacles(("paused: no space",))
    assert "paused: no space" in shown[-1]


def test_what_strangers_wrote_is_text() -> None:
    bad = "<script>alert(1)</script>\x1b[31m&\"'"
    row = Row(1, 1, Slot(bad), 0.0, {bad: bad}, reports=(1.0, 2.0))
    rows = (row, *(Row(n, 1, Slot("0"), 0.0, dict.fromkeys("abcdefgh", n)) for n in range(2, 40)))
    snapshot = Snapshot(total=9, rows=rows, waits=(bad,), best=Best(0, 1.0, {bad: bad}))
    page = Reader(as_html(snapshot))
    assert page.tags <= {"div", "table", "tr", "th", "td", "b", "br", "span"}
    assert page.text.count("<script>alert(1)</script>\\x1b[31m&\"'") >= 4
    assert "and 23 more running trials" in page.text
    assert "+2" in page.text


def test_ipython_is_used_only_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert updater() is None
    assert "IPython" not in sys.modules
    for shell in (None, SimpleNamespace()):  # imported only; IPython on a terminal
        monkeypatch.setitem(
            sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell)
        )
        assert updater() is None


def test_the_table_of_a_notebook_is_one_display_that_is_updated(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    code = f"""
import io
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from pathlib import Path
from autofinetune.sinks.live.sink import on_console
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, tuner_in_memory
shell = InteractiveShell.instance()
shell.kernel = object()
with capture_output() as captured:
    sinks = on_console(config_of(), RunPaths(Path({str(tmp_path)!r})), io.StringIO(), 2)
    tuner = tuner_in_memory(Path({str(tmp_path)!r}), config_of(), sinks=sinks)
    tuner.start("run")
    tuner.run()
first, *others = captured.outputs
assert others, "never updated"
assert {{one.update for one in others}} == {{True}}
assert len({{str(one.transient) for one in captured.outputs}}) == 1
assert "9/9 done" in others[-1].data["text/html"]
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_lines_of_failures_only_stand_beside_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = SimpleNamespace(
        HTML=str, display=lambda text, display_id: SimpleNamespace(update=print)
    )
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    paths = RunPaths(tmp_path)
    sinks = on_console(config_of(), paths, sys.stdout, 2)
    assert [type(sink) for sink in sinks] == [Notebook, Console]
    (plain,) = on_console(config_of(), paths, sys.stdout, 2, is_plain=True)
    assert isinstance(plain, Console)
