"""Trials as Runs in AIStore, by a stand-in with the calls that the SDK documents."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.config import Config
from autofinetune.core.state import State
from autofinetune.sinks import SinkGuard, store_sinks
from autofinetune.sinks.t9k import T9k
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, tuner_in_memory

# What is documented of login, create_run, Run.log, Run.finish and Run.upload; the server is
# a file, and fails when it is told to.
SDK = """
import json, os, pathlib

PLACE = pathlib.Path(__file__).parent
SERVER = PLACE / "server.json"
_key = None

def login(ais_host=None, api_key=None, timeout=None):
    global _key
    _key = api_key

def create_run(config_path=None, name="default", hparams=None, labels=None, description="",
               auto_upload=False, folder="default", make_folder=False, conflict_strategy="new"):
    assert not auto_upload
    pathlib.Path(os.environ["EM_RUN_PARENT_DIR"], name).mkdir(parents=True, exist_ok=True)
    return Run(name, hparams)

class Run:
    def __init__(self, name, hparams):
        self.known = {"hparams": hparams, "metrics": [], "status": "Running"}
        self.name = name

    def log(self, type, metrics, step, epoch=None):
        assert all(isinstance(value, float) for value in metrics.values())
        self.known["metrics"].append([type, metrics, step])

    def finish(self):
        self.known["status"] = "Complete"

    def upload(self, folder="default", make_folder=False, conflict_strategy="new"):
        if (PLACE / "down").exists():
            raise RuntimeError(f"401 Unauthorized: {_key}")
        held = json.loads(SERVER.read_text()) if SERVER.exists() else {"runs": {}, "uploads": 0}
        name = f"{folder}/{self.name}"
        assert make_folder and conflict_strategy == "replace"
        held["runs"][name] = {**self.known, "key": _key}
        held["uploads"] += 1
        SERVER.write_text(json.dumps(held))
"""


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "sdk/t9k"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "em.py").write_text(SDK)
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.delenv("EM_RUN_PARENT_DIR", raising=False)
    yield folder
    for name in ("t9k", "t9k.em"):
        sys.modules.pop(name, None)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    secret = tmp_path / "secret.yaml"
    secret.write_text("kind: Secret\nmetadata: {name: a}\nstringData: {apikey: hunter-22}\n")
    return config_of(store="aistore://0a1b-2c3d", secrets=str(secret), name="mnist")


def play(tmp_path: Path, config: Config) -> tuple[T9k, State]:
    """A whole run in memory, shown to the sink as its process does."""
    sink = T9k(config, RunPaths(tmp_path / "result"))
    tuner = tuner_in_memory(tmp_path / "result", config, sinks=[sink])
    tuner.start("run")
    return sink, tuner.run()


def held(sdk: Path) -> Any:
    return json.loads((sdk / "server.json").read_text())


def no_secret_below(root: Path) -> bool:
    return all(b"hunter-22" not in one.read_bytes() for one in root.rglob("*") if one.is_file())


def test_each_trial_is_a_run_in_the_folder(tmp_path: Path, sdk: Path, config: Config) -> None:
    sink, state = play(tmp_path, config)
    sink.close()
    runs = held(sdk)["runs"]
    assert len(runs) == len(state.trials) == 9
    one = runs["0a1b-2c3d/mnist-run-trial-00000"]
    trial = state.trials[0]
    assert one["hparams"] == dict(trial.params)
    assert one["metrics"][:2] == [["train", {"curve": 0.1}, 0], ["train", {"curve": 0.2}, 1]]
    assert one["metrics"][2] == ["test", {"score": trial.score, "seconds": trial.seconds}, 1]
    assert (one["status"], one["key"]) == ("Complete", "hunter-22")
    assert (tmp_path / "result/t9k/runs").is_dir()
    assert no_secret_below(tmp_path / "result")


def test_a_later_session_uploads_only_what_is_missing(
    tmp_path: Path, sdk: Path, config: Config
) -> None:
    (sdk / "down").touch()
    sink, state = play(tmp_path, config)
    with pytest.raises(Exception, match=r"9 trials not uploaded .*401 Unauthorized: \*\*\*;"):
        sink.close()
    (sdk / "down").unlink()
    for _ in range(2):
        again = T9k(config, RunPaths(tmp_path / "result"))
        for number in sorted(state.trials):
            again.end(state.trials[number], [], 1.0, "run")
        again.flush(state)
        again.close()
    assert held(sdk)["uploads"] == 9
    assert no_secret_below(tmp_path / "result")


def test_without_the_sdk_one_sentence_says_what_to_do(tmp_path: Path, config: Config) -> None:
    told: list[str] = []
    sinks = store_sinks(config, RunPaths(tmp_path / "result"), told.append)
    guard = SinkGuard(sinks, told.append)
    guard.close()
    (sentence,) = told
    assert "no trial was recorded in the folder 0a1b-2c3d of AIStore" in sentence
    assert "the SDK t9k is not installed here; install it" in sentence
    assert "autofinetune rebuild" in sentence


def test_with_the_sdk_nothing_is_said(tmp_path: Path, sdk: Path, config: Config) -> None:
    assert store_sinks(config, RunPaths(tmp_path / "result"), print) == []
