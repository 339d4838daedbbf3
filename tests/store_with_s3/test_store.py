"""A run in S3: through the real library, with faults on the way, killed in between."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.events import RunCreated
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.errors import EnvironmentProblem
from autofinetune.run.pull import pull
from autofinetune.sinks.store import Store
from autofinetune.store.contents import PART
from autofinetune.store.paths import RunPaths
from autofinetune.store.remote import Remote, StoreFailed
from tests.helpers import config_of
from tests.runs import Written

from .conftest import Server

pytest.importorskip("s3fs", reason="make test-cluster has the client library")
# What s3fs leaves to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

SOURCE = Path(__file__).parents[2]
URL = "s3://runs/{}"
TRAIN = """
import argparse, os, pathlib
import autofinetune as hub
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--saved_params_dir")
args = parser.parse_args()
weights = pathlib.Path(args.saved_params_dir, "weights")
weights.write_bytes(os.urandom(40 << 20))
hub.report_final_result(args.x)
"""
HPARAM = """
param_list:
- {name: x, type: float, init_value: 0.5, greater_than: 0.0, lower_than: 1.0}
"""


def written(root: Path, size: int = 33 << 20) -> Path:
    """A run with a table, a journal, and a model, usually of three parts."""
    run = Written(root / "result")
    run.paths.trials_csv.write_text("trial\n")
    run.paths.best_model.mkdir()
    (run.paths.best_model / "weights").write_bytes(os.urandom(size))
    run.paths.best_model_manifest.write_text("{}")
    return run.paths.root


def sink_of(root: Path, url: str, remote: Any, told: list[str], **more: Any) -> Store:
    options: dict[str, Any] = {"report": lambda paths: None, "pause_s": 0.0}
    sink = Store(config_of(store=url), RunPaths(root), told.append, connect=remote,
                 **options | more)  # fmt: skip
    sink.handle(RunCreated(1.0, "run", "0", {}), State(Direction.MAXIMIZE))
    return sink


def finish(sink: Store) -> None:
    state = State(Direction.MAXIMIZE)
    sink.flush(state)
    while sink.wait(60.0):
        sink.flush(state)
    sink.close()


def same(root: Path, back: Path) -> None:
    names = ["trials.csv", "best_model.json", "best_model/weights"]
    assert [(back / n).read_bytes() for n in names] == [(root / n).read_bytes() for n in names]


def test_up_once_and_back(tmp_path: Path, server: Server) -> None:
    told: list[str] = []
    root, url = written(tmp_path), URL.format("up")
    finish(sink_of(root, url, lambda: server.connect("up"), told))
    assert told == []
    parts = [path for path in server.proxy.writes if "/parts/" in path]
    assert len(parts) == len(set(parts)) == 1 + 1 + 3 + 1  # table, journal, model, its JSON
    # S3 told the checksum of each part, so that none was read again.
    assert not [path for path in server.proxy.reads if "/parts/" in path]
    pulled = pull(url, lambda: server.connect("up"), tmp_path / "back")
    same(root, tmp_path / "back")
    assert pulled.fetched == pulled.contents.size


@pytest.mark.parametrize("fault", ["down", "slow", "half", "full"])
def test_a_fault_is_outlived(tmp_path: Path, server: Server, fault: str) -> None:
    told: list[str] = []
    root, url = written(tmp_path), URL.format(fault)
    has_failed = threading.Event()

    def connect() -> Remote:
        return server.connect(fault)

    sink = sink_of(root, url, connect, told)
    sink._warn = lambda sentence: (told.append(sentence), has_failed.set())  # type: ignore
    server.proxy.fault = fault
    sink.flush(State(Direction.MAXIMIZE))
    if fault != "slow":
        assert has_failed.wait(120.0)
        assert "it is tried again while the run goes on" in told[0]
        assert server.keys.secret not in told[0]
        server.proxy.fault = ""
    finish(sink)
    assert len(told) == (fault != "slow")
    server.proxy.fault = ""
    pull(url, connect, tmp_path / "back")
    same(root, tmp_path / "back")


@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_a_wrong_key_ends_in_a_sentence_without_it(
    tmp_path: Path, server: Server, wrong: str
) -> None:
    told: list[str] = []
    root, url = written(tmp_path), URL.format("wrong")
    secrets = server.secrets(**{wrong: "WRONGWRONGWRONGWRONG"})
    has_failed = threading.Event()
    sink = sink_of(root, url, lambda: Remote(url, secrets), told, patience_s=0.0)
    sink._warn = lambda sentence: (told.append(sentence), has_failed.set())  # type: ignore
    sink.flush(State(Direction.MAXIMIZE))
    assert has_failed.wait(120.0)
    finish(sink)
    assert "the store refuses the key" in told[0]
    assert "not in the store" in told[-1]
    for one in ("WRONGWRONG", server.keys.secret, server.keys.key):
        assert one not in " ".join(told)
        assert one not in (root / "store.json").read_text()


def test_a_bucket_that_is_missing_is_told_and_not_made(tmp_path: Path, server: Server) -> None:
    remote = Remote("s3://no-such-bucket/x", server.secrets())
    for _ in range(2):
        with pytest.raises(StoreFailed, match="there is no such bucket or folder"):
            remote.put("a", b"abc")


def test_a_pull_goes_on_where_it_ended(tmp_path: Path, server: Server) -> None:
    root, url, told = written(tmp_path), URL.format("again"), list[str]()
    finish(sink_of(root, url, lambda: server.connect("again"), told))
    back, reads = tmp_path / "back", len(server.proxy.reads)

    class Cut(Remote):
        """Fails after three parts."""

        def get(self, name: str, most: int) -> bytes:
            if len([one for one in server.proxy.reads[reads:] if "/parts/" in one]) >= 3:
                server.proxy.fault = "half"
            return super().get(name, most)

    with pytest.raises(EnvironmentProblem, match="s3://runs/again fails: "):
        pull(url, lambda: Cut(url, server.secrets()), back, sleep=lambda seconds: None)
    server.proxy.fault = ""
    pulled = pull(url, lambda: server.connect("again"), back)
    assert 0 < pulled.fetched <= pulled.contents.size - PART
    same(root, back)
    assert not (back / ".pull").exists()


def autofinetune(folder: Path, *words: str, **env: str) -> subprocess.Popen[str]:
    known = {**os.environ, "PYTHONPATH": str(SOURCE), **env}
    return subprocess.Popen(
        [sys.executable, "-m", "autofinetune", *words],
        cwd=folder, env=known, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def ran(folder: Path, *words: str) -> str:
    process = autofinetune(folder, *words)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    return out


def test_a_tuner_that_is_killed_in_the_middle_of_an_upload(tmp_path: Path, server: Server) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    secret = server.write_secret(tmp_path / "secret.yaml")
    url = URL.format("killed")
    server.proxy.stall_after = 5
    words = ["train.py", "--param_file=hparam.yaml", "--gpu=cpu:1", "--popsize=2", "--round=1",
             "--seed=0", "--log_to=none", "--output_dir=result", f"--store={url}",
             f"--secrets={secret}", "--evaluator=fulltrail"]  # fmt: skip
    process = autofinetune(tmp_path, *words)
    assert server.proxy.has_stalled.wait(240.0)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    before = set(server.proxy.writes)
    server.proxy.close()
    # The same server at another address, as the old one still holds what was on the way.
    from .proxy import Proxy

    again = Proxy(server.proxy._to)
    with contextlib.closing(again):
        secret = Server(again, server.keys).write_secret(secret, endpoint=again.url)
        out += ran(tmp_path, "resume", "result")
        status = json.loads(ran(tmp_path, "status", "result", "--json"))
        assert status["store"]["waiting"] == []
        assert status["store"]["url"] == url
        assert "up to date" in ran(tmp_path, "status", "result")
        out += ran(tmp_path, "pull", url, "back", f"--secrets={secret}")
    twice = [path for path in again.writes if path in before and "/parts/" in path]
    assert len(twice) <= 1  # the one that was on the way
    model = (tmp_path / "result/best_model/weights").read_bytes()
    assert (tmp_path / "back/best_model/weights").read_bytes() == model
    best = json.loads(ran(tmp_path, "best", "back", "--json"))
    assert best["score"] == json.loads(ran(tmp_path, "best", "result", "--json"))["score"]
    # No byte of the secret anywhere.
    hidden = [server.keys.secret.encode(), server.keys.key.encode()]
    files = [path for path in (tmp_path / "result").rglob("*") if path.is_file()]
    assert not [path for path in files for one in hidden if one in path.read_bytes()]
    assert not [one for one in hidden if one.decode() in out + json.dumps(status)]
