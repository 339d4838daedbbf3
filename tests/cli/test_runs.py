"""All runs below a directory, and several of them side by side."""

from __future__ import annotations

import json
import os
from typing import Any

from autofinetune.config.config import MOST_TRIALS
from autofinetune.core.events import RunEnded
from autofinetune.core.status import Direction
from autofinetune.space import load_space
from tests.cli.conftest import Workplace
from tests.runs import Written, mixed


def records(workplace: Workplace, *words: str) -> Any:
    shown = workplace.run(*words, "--json")
    assert shown.code == 0, shown.err
    return json.loads(shown.out)


def test_runs_of_every_state_are_listed_the_newest_first(workplace: Workplace) -> None:
    empty = Written(workplace.root / "runs/empty", name="first <b>")
    killed = Written(workplace.root / "runs/deep/killed")
    done = Written(workplace.root / "runs/done", max_trials=2)
    for run in (killed, done):
        run.at = 1_700_000_100.0
        run.trial(0, 0.123456789, mixed())
        run.trial(1, None, mixed(), reason="oom")
    done.at += 100
    done.done()
    found = records(workplace, "ls", "runs")
    assert [one["output_dir"] for one in found] == [
        str(run.paths.root) for run in (done, killed, empty)
    ]
    assert [one["state"] for one in found] == ["DONE", "ERROR", "ERROR"]
    assert [one["done"] for one in found] == [2, 2, 0]
    assert [one["planned"] for one in found] == [2, 9, 9]
    assert found[0]["best"] == {"trial": 0, "score": 0.123456789, "params": mixed()}
    assert found[2]["best"] is None
    assert found[2]["name"] == "first <b>"
    head, *rows = workplace.run("ls", "runs").out.splitlines()
    assert head.split() == ["state", "trials", "best", "age", "run"]
    assert rows[0].split()[:3] == ["DONE", "2/2", "0.123457"]
    assert rows[0].endswith("  runs/done")
    assert rows[2].split()[:3] == ["ERROR", "0/9", "-"]
    assert rows[2].endswith("  runs/empty  (first <b>)")


def test_a_running_run_and_one_without_end(workplace: Workplace) -> None:
    from tests.cli.test_show import a_tuner_alive

    run = Written(workplace.root / "run", max_trials=MOST_TRIALS)
    run.trial(0, 0.5, mixed())
    with a_tuner_alive(run):
        (found,) = records(workplace, "ls")
        assert (found["state"], found["done"], found["planned"]) == ("RUNNING", 1, None)
        assert workplace.run("ls", "run").out.splitlines()[1].split()[:2] == ["RUNNING", "1"]


def test_what_cannot_be_read_is_a_row(workplace: Workplace) -> None:
    good = Written(workplace.root / "good")
    (workplace.root / "damaged").mkdir(mode=0o700)
    (workplace.root / "damaged/run.db").write_bytes(b"no database\n" * 100)
    (workplace.root / "fifo").mkdir(mode=0o700)
    os.mkfifo(workplace.root / "fifo/run.db")
    (workplace.root / "link").mkdir(mode=0o700)
    (workplace.root / "link/run.db").symlink_to(good.paths.journal)
    (workplace.root / "blank").mkdir(mode=0o700)
    (workplace.root / "blank/run.db").touch()
    Written(workplace.root / "open\x1b[31m").paths.root.chmod(0o777)
    found = {one["output_dir"]: one for one in records(workplace, "ls")}
    assert len(found) == 6
    problems = {path.rpartition("/")[2]: one["problem"] for path, one in found.items()}
    assert problems.pop("good") == ""
    assert "damaged/run.db" in problems["damaged"]
    assert "holds no run" in problems["fifo"]
    assert "is a link or not a regular file" in problems["link"]
    assert "holds no run" in problems["blank"]
    assert "every user may write to it" in problems["open\x1b[31m"]
    text = workplace.run("ls")
    assert text.code == 0
    assert "\x1b" not in text.out
    assert r"open\x1b[31m  (" in text.out
    assert all(one.keys() == found[str(good.paths.root)].keys() for one in found.values())


def test_links_hidden_and_deep_directories_are_left_out(workplace: Workplace) -> None:
    run = Written(workplace.root / "runs/a/b/c")
    Written(workplace.root / "runs/.hidden")
    Written(run.paths.root / "inner")
    (workplace.root / "runs/link").symlink_to(run.paths.root)
    (workplace.root / "runs/loop").symlink_to(workplace.root)
    assert [one["output_dir"] for one in records(workplace, "ls", "runs")] == [str(run.paths.root)]
    assert records(workplace, "ls", "runs", "--depth=2") == []
    assert "no run in runs or in directories below it" in (
        workplace.run("ls", "runs", "--depth", "2").out
    )
    assert len(records(workplace, "ls", "runs/link", "--depth=0")) == 1


def test_where_there_is_nothing_to_list(workplace: Workplace) -> None:
    for words in (["nowhere"], ["train.py"], ["--depth=x"], ["--depth=-1"]):
        refused = workplace.run("ls", *words)
        assert (refused.code, refused.out) == (2, "")


# --- compare ------------------------------------------------------------------------------------


def test_runs_side_by_side(workplace: Workplace) -> None:
    one = Written(workplace.root / "one", tuning_strategy="random", name="<b>one</b>")
    for trial, score in enumerate((0.1, None, 0.3, 0.2, 0.5, 0.4)):
        run_reason = "" if score is not None else "oom"
        one.trial(trial, score, mixed(units=trial), reason=run_reason)
    entry = {"name": "text", "type": "choice", "choices": ["a\n\x1b" + "x" * 50, "b"]}
    two = Written(workplace.root / "two", load_space({"param_list": [entry]}))
    two.trial(0, 0.7, {"text": "a\n\x1b" + "x" * 50})
    two.add(RunEnded(two.tick(), "interrupted"))
    three = Written(workplace.root / "three")
    shown = workplace.run("compare", "one", "two", "three")
    assert (shown.code, shown.err) == (0, "")
    assert "\x1b" not in shown.out
    rows = {line[:17].rstrip(): line[17:].split("  ") for line in shown.out.splitlines()}
    cells = {title: [cell.strip() for cell in row if cell] for title, row in rows.items()}
    assert cells["strategy"] == ["random", "pshe2", "pshe2"]
    assert cells["state"] == ["ERROR", "STOPPED", "ERROR"]
    assert cells["trials done"] == ["6/9", "1/9", "0/9"]
    assert cells["best score"] == ["0.5", "0.7", "-"]
    assert cells["name"] == ["<b>one</b>", "-", "-"]
    assert cells["  units"] == ["4", "-", "-"]
    assert cells["  text"][1].startswith(r"a\n\x1bxxx")
    assert cells["  text"][1].endswith("...")
    found = records(workplace, "compare", "one", "two", "three")
    assert [(part["share"], part["trials"], part["best"]) for part in found[0]["progress"]] == [
        (0.1, 1, 0.1), (0.25, 2, 0.1), (0.5, 3, 0.3), (1.0, 6, 0.5),
    ]  # fmt: skip
    assert [part["best"] for part in found[2]["progress"]] == [None] * 4
    assert found[0]["trial_seconds"] == 9.0
    assert found[1]["seconds"] == two.at - 1_700_000_001.0
    assert three.paths.root.name in found[2]["output_dir"]


def test_directions_that_differ_are_warned_of(workplace: Workplace) -> None:
    Written(workplace.root / "one")
    two = Written(workplace.root / "two", direction=Direction.MINIMIZE)
    two.trial(0, 0.7, mixed())
    two.trial(1, 0.6, mixed())
    two.trial(2, 0.8, mixed())
    for words in ([], ["--json"]):
        shown = workplace.run("compare", "one", "two", *words)
        assert shown.code == 0
        assert "WARNING: some of these runs maximize their score and others" in shown.err
    progress = records(workplace, "compare", "two")[0]["progress"]
    assert [part["best"] for part in progress] == [0.7, 0.7, 0.6, 0.6]
    assert workplace.run("compare", "two").err == ""


def test_what_cannot_be_compared(workplace: Workplace) -> None:
    Written(workplace.root / "one")
    assert workplace.run("compare").code == 2
    refused = workplace.run("compare", "one", "nowhere")
    assert (refused.code, refused.out) == (2, "")
    assert "nowhere holds no run" in refused.err
    (workplace.root / "bad").mkdir(mode=0o700)
    (workplace.root / "bad/run.db").write_bytes(b"no database\n" * 100)
    assert workplace.run("compare", "one", "bad").code == 4
