"""The actor without Ray: what it takes, runs and hands back; and what its files become here."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.executors.base import Attempt
from autofinetune.executors.ray import returns, trees
from autofinetune.executors.ray.actor import Actor
from autofinetune.executors.ray.returns import CHECKPOINT, Returns
from autofinetune.executors.ray.shipment import Shipment, out_of
from autofinetune.runner.processes import is_alive, marked
from autofinetune.store.directory import Place
from tests.forking import DEADLINE_S, attempt_of, wait_until

TRAIN = """
import os, signal, sys
from pathlib import Path
import beside
model = Path(sys.argv[1])
print("found", sorted(p.name for p in model.iterdir()), Path(sys.argv[2]).read_text())
(model / "weights").write_text(os.environ["SHOWN"])
with open(os.environ["AUTOFINETUNE_REPORT_FILE"], "a") as file:
    print('{"final": 0.5}', file=file)
if len(sys.argv) > 3:
    signal.pause()
"""


@pytest.fixture
def actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Actor]:
    monkeypatch.setenv("AUTOFINETUNE_NODE_DIR", str(tmp_path / "node"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "node").mkdir()
    made = Actor("run", "0-1")
    yield made
    if made._executor is not None:
        made.cancel()
        made.cancel()
        until_over(made)
        made._executor.close()


def until_over(actor: Actor) -> tuple[dict[str, Any], bytes, bytes]:
    end = time.monotonic() + DEADLINE_S
    while not (found := actor.poll(0, 0, 1 << 20))[0]["end"]:
        assert time.monotonic() < end
        os.sched_yield()
    return found


def sent(tmp_path: Path, actor: Actor, *words: str) -> tuple[Attempt, dict[str, Any]]:
    """Send a script and a model that it reads; return what `start` gets."""
    code, out = tmp_path / "code", tmp_path / "out"
    for folder in (code, out / "round0/model-1", out / "trials/0/attempt-1"):
        folder.mkdir(parents=True)
    (code / "train.py").write_text(TRAIN)
    (code / "beside.py").touch()
    (out / "round0/model-1/old").write_text("parent")
    model = str(out / "round0/model-0")
    attempt = attempt_of(
        code, model, str(out / "round0/model-1/old"), *words,
        directory=str(out / "trials/0/attempt-1"), log=str(out / "round0/log-0.info"),
        model=model, env={"SHOWN": model},
    )  # fmt: skip
    tree, files, _ = trees.code_of(code)
    parent, more = trees.model_of(out / "round0/model-1")
    shipment = Shipment(str(code), sys.executable, 1, {})
    lacking = actor.lacks([*files, *more])
    for entries, data in trees.pieces({**files, **more}, lacking):
        actor.put(entries, data)
    assert actor.lacks([*files, *more]) == []
    wanted = {
        "attempt": shipment.words(attempt), "ranks": 1, "package": {}, "package_id": "x",
        "code": tree, "code_id": trees.id_of(tree), "inputs": {"round0/model-1": parent},
        "model": "round0/model-0", "log": "round0/log-0.info",
    }  # fmt: skip
    return attempt, wanted


def test_a_trial_runs_in_a_copy_of_its_own(tmp_path: Path, actor: Actor) -> None:
    _, wanted = sent(tmp_path, actor)
    actor.start(wanted)
    actor.start(wanted)  # an answer was lost
    found, log, reports = until_over(actor)
    assert found["end"] == "exit"
    assert '"returncode": 0' in found["exit"]
    assert log == b"found [] parent\n"
    assert reports == b'{"final": 0.5}\n'
    tree = actor.tree("round0/model-0")
    assert list(tree) == ["weights"]
    there = actor.read("round0/model-0/weights", 0, 1000).decode()
    own = tmp_path / "node" / f"autofinetune-{os.getuid()}" / "run/0-1"
    assert there == str(own / "out/round0/model-0")
    actor.clean()
    assert actor.tree("round0/model-0") == {}


def test_a_cancelled_trial_ends_and_its_runner_is_no_child_of_ours(
    tmp_path: Path, actor: Actor
) -> None:
    attempt, wanted = sent(tmp_path, actor, "wait")
    actor.start(wanted)
    wait_until(lambda: bool(actor.poll(0, 0, 100)[2]))
    (job,) = actor._executor._jobs.values()
    assert job.process is None
    assert is_alive(job.who)
    actor.cancel()
    assert '"why": "cancel"' in until_over(actor)[0]["exit"]
    assert marked(f"{attempt.run}/0/1") == []


def test_what_arrives_damaged_is_not_kept(actor: Actor) -> None:
    with pytest.raises(ValueError, match="damaged"):
        actor.put([("0" * 64, 0, 1, 1)], b"x")
    assert actor.lacks(["0" * 64]) == ["0" * 64]


def test_a_place_that_another_user_prepared_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOFINETUNE_NODE_DIR", str(tmp_path))
    (tmp_path / f"autofinetune-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="belongs to another user"):
        Actor("run", "0-1")


def test_runs_that_were_not_used_for_a_week_are_removed(tmp_path: Path, actor: Actor) -> None:
    top = tmp_path / "node" / f"autofinetune-{os.getuid()}"
    (top / "old").mkdir()
    os.utime(top / "old", (1.0, 1.0))
    Actor("other", "0-1")
    assert sorted(path.name for path in top.iterdir()) == ["other", "run"]


def returning(attempt: Attempt, actor: Actor) -> Returns:
    def ask(method: str, *args: Any) -> tuple[Any, bytes]:
        found = getattr(actor, method)(*args)
        if isinstance(found, bytes):
            return None, found
        return {name: list(entry) for name, entry in found.items()}, b""

    out = Path(out_of(attempt))
    place = Place(out, os.path.relpath(attempt.directory, out))
    return Returns(attempt, str(out), place, ask)


def test_what_a_trial_has_saved_is_there_for_the_next_attempt(
    tmp_path: Path, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt, wanted = sent(tmp_path, actor, "wait")
    monkeypatch.setattr(returns, "PULL_S", 0.0)
    one = returning(attempt, actor)
    actor.start(wanted)
    wait_until(lambda: bool(actor.poll(0, 0, 100)[2]))
    one.pull_if_due()
    saved = Path(attempt.directory) / CHECKPOINT
    assert [path.name for path in saved.iterdir()] == ["weights"]
    again = dataclasses.replace(
        attempt, attempt=2, directory=str(Path(attempt.directory).with_name("attempt-2"))
    )
    assert returning(again, actor).earlier_checkpoint() == saved
    assert one.earlier_checkpoint() is None
    returns.forget_checkpoint(Path(attempt.directory))
    assert returning(again, actor).earlier_checkpoint() is None


def test_the_model_and_notes_of_the_layer_come_back(tmp_path: Path, actor: Actor) -> None:
    attempt, wanted = sent(tmp_path, actor)
    actor.start(wanted)
    until_over(actor)
    there = Path(actor._places[0])
    (there / "metrics-seen").write_text("loss\n")
    returning(attempt, actor).bring_back()
    assert [path.name for path in Path(attempt.model).iterdir()] == ["weights"]
    assert [path.name for path in Path(attempt.directory).iterdir()] == ["metrics-seen"]
