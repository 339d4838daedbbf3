"""AutofinetuneCallback of each library, with the library itself."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration import WITH_LIBRARIES
from tests.integration.trainings import EPOCHS, TRAININGS
from tests.strangers.helpers import PYTHON, Place
from tests.strangers.libraries import check

if not os.environ.get(WITH_LIBRARIES):
    pytest.skip("needs many libraries: make test-integrations", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(__file__).with_name("trainings.py"))
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def train(
    name: str, place: Path, case: str = "cases", *, start: Sequence[str] = ()
) -> tuple[dict[str, list[float]], str]:
    """Run a case of `trainings.py`; return what it found, and its standard error."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    environ = {n: v for n, v in os.environ.items() if not n.startswith("AUTOFINETUNE_")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environ.update(PYTHONPATH=path, KERAS_BACKEND="torch", OMP_NUM_THREADS="1")
    command = [sys.executable, *start, SCRIPT, name, str(place), case]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return found(place), done.stderr


def found(place: Path, rank: int = 0) -> dict[str, list[float]]:
    contents: dict[str, list[float]] = json.loads((place / f"found-{rank}.json").read_text())
    return contents


def reports(path: Path, kind: str) -> list[float]:
    if not path.exists():
        return []
    records = map(json.loads, filter(None, path.read_text().splitlines()))
    return [record[kind] for record in records if kind in record]


@pytest.mark.parametrize("name", sorted(TRAININGS))
def test_callback(name: str, tmp_path: Path) -> None:
    values, said = train(name, tmp_path)
    for case in ("last", "best", "both"):
        assert len(values[case]) == EPOCHS
        assert reports(tmp_path / case, "intermediate") == pytest.approx(values[case]), case
    assert reports(tmp_path / "last", "final") == pytest.approx([values["last"][-1]])
    assert reports(tmp_path / "both", "final") == pytest.approx([values["both"][-1]])
    assert reports(tmp_path / "best", "final") == pytest.approx([max(values["best"])])
    assert max(values["best"]) > values["best"][-1]  # so that the two differ
    # With --metric=another only that one counts.
    assert len(values["other"]) == EPOCHS
    assert not (tmp_path / "other").exists()
    assert "--metric=another replaces AutofinetuneCallback" in said
    assert len(values["stop"]) == 1
    assert reports(tmp_path / "stop", "final") == pytest.approx(values["stop"])
    # Outside a run nothing happens; and the tuner is never loaded.
    assert len(values["outside"]) == EPOCHS
    assert values["loaded"] == []


def test_lightgbm_ended_by_another_callback(tmp_path: Path) -> None:
    values, _ = train("lightgbm", tmp_path, "ended")
    assert len(values["ended"]) == 2
    assert reports(tmp_path / "ended", "intermediate") == pytest.approx(values["ended"])
    assert reports(tmp_path / "ended", "final") == pytest.approx(values["ended"][-1:])


def test_lightning_by_its_other_name(tmp_path: Path) -> None:
    values, _ = train("pytorch_lightning", tmp_path, "other name")
    assert reports(tmp_path / "last", "final") == pytest.approx(values["last"][-1:])


@pytest.mark.parametrize(("name", "start"), [("lightning", ()), ("transformers", TORCHRUN)])
def test_two_ranks(name: str, start: Sequence[str], tmp_path: Path) -> None:
    """Rank 0 reports, and its decision to stop ends both."""
    first, _ = train(name, tmp_path, "ranks", start=start)
    second = found(tmp_path, 1)
    assert len(first["stop"]) == len(second["stop"]) == 1
    assert reports(tmp_path / "stop", "intermediate") == pytest.approx(first["stop"])
    assert reports(tmp_path / "stop", "final") == pytest.approx(first["stop"])


XGBOOST = """
import xgboost
from autofinetune.integration.xgboost import AutofinetuneCallback

class Slow(xgboost.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        wait()

data = xgboost.DMatrix(x, label=y)
history = {}
params = {"objective": "binary:logistic", "eta": args.lr, "max_depth": 2, "nthread": 1}
xgboost.train(params, data, EPOCHS, evals=[(data, "val")], evals_result=history,
              verbose_eval=False, callbacks=[Slow(), AutofinetuneCallback("logloss")])
values = history["val"]["logloss"]
done(values[-1], len(values))
"""
LIGHTGBM = """
import lightgbm
from autofinetune.integration.lightgbm import AutofinetuneCallback

def slow(env):
    wait()

model = lightgbm.LGBMClassifier(n_estimators=EPOCHS, learning_rate=args.lr, num_leaves=4,
                                n_jobs=1, min_child_samples=2, verbose=-1)
report = AutofinetuneCallback("binary_logloss")
model.fit(x[:48], y[:48], eval_set=[(x[48:], y[48:])], callbacks=[slow, report])
values = model.evals_result_["valid_0"]["binary_logloss"]
done(values[-1], len(values))
"""


@pytest.mark.parametrize(
    ("name", "script", "words"),
    [("xgboost", XGBOOST, ()), ("lightgbm", LIGHTGBM, ("--metric=binary_logloss",))],
    ids=["xgboost", "lightgbm, with --metric"],
)
def test_a_run(
    name: str, script: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose second trial is hopeless and is stopped."""
    pytest.importorskip(name)
    monkeypatch.setenv(PYTHON, sys.executable)
    place = Place(tmp_path / "work", tmp_path / "home")
    place.root.mkdir()
    place.home.mkdir()
    check(place, script, *words)
