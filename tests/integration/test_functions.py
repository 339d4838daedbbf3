"""Tuning functions: sent by cloudpickle to processes of their own, and continued."""

from __future__ import annotations

import asyncio
import functools
import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import autofinetune as aft
from autofinetune.cli import main
from autofinetune.core.run_state import RunState
from autofinetune.core.state import Trial
from autofinetune.errors import AllTrialsFailed, UsageError
from autofinetune.run.signals import SIGNALS
from tests.integration import library

numpy = library("numpy")
library("cloudpickle")

SPACE = {"lr": (0.0, 1.0)}
SCRIPT = """
import os, pickle
import autofinetune as aft

print("this module is run", flush=True)

class Net:
    def __init__(self, width):
        self.width = width

class Wide(Net):
    pass

SCALE = 2.0

def train(net, width, optimizer, saved_params_dir, momentum=0.0):
    with open(os.path.join(saved_params_dir, "net.pkl"), "wb") as file:
        pickle.dump(net(width), file)
    while os.path.exists("hold"):
        pass
    return SCALE - momentum - (net is Net)

if __name__ == "__main__":
    space = {
        "net": [Net, Wide],
        "width": (2, 8),
        "optimizer": {"sgd": {"momentum": (0.5, 0.9)}, "adam": {}},
    }
    result = aft.tune(train, space, gpu="cpu:2", trials=6, seed=0, log_to="none",
                      output_dir="result")
    print("STATE", result.state.value, len([t for t in result.trials if t.status.is_final]))
    best = result.best
    assert best.params["net"] is Wide, best
    print("BEST", best.score, best.params["optimizer"])
    with open(result.best_model / "net.pkl", "rb") as file:
        print("MODEL", type(pickle.load(file)) is Wide)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.chdir(tmp_path)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield tmp_path
    for number, handler in before.items():  # a command ignores them from its end on
        signal.signal(number, handler)


def tune(train: Any, space: Any = SPACE, **options: Any) -> aft.Result:
    usual = {"gpu": "cpu:2", "trials": 2, "seed": 0, "log_to": "none", "progress": False}
    return aft.tune(train, space, **{"output_dir": "result", **usual, **options})


def start(script: str) -> subprocess.Popen[str]:
    Path("tune.py").write_text(script)
    words = [sys.executable, "tune.py"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def log_of(number: int) -> str:
    return Path(f"result/round0/log-{number}.info").read_text()


def test_a_function_and_classes_of_a_script(capfd: pytest.CaptureFixture[str]) -> None:
    out = start(SCRIPT).communicate()[0]
    assert out.count("this module is run") == 1  # trials never run it
    assert "STATE DONE 6\nBEST 2.0 adam\nMODEL True\n" in out, out
    assert main(["set", "result", "max_trials=8"]) == main(["resume", "result"]) == 0
    assert len(aft.open_run("result").trials) == 8
    assert "Wide" in {trial.params["net"] for trial in aft.open_run("result").trials}


def test_trials_are_forked_from_the_preload_process_and_never_from_the_caller() -> None:
    torch = library("torch")
    assert (torch.ones(300, 300) @ torch.ones(300, 300)).sum() > 0  # on threads, so fork hangs

    def train(lr: float) -> float:
        assert "torch" not in sys.modules
        return float("plistlib" in sys.modules)

    # The first trials do not wait for the preload process.
    options: dict[str, Any] = {"tuning_strategy": "random", "target_score": 1.0}
    result = tune(train, preload="plistlib", trials=10_000, **options)
    assert result.best is not None and result.best.score == 1


def test_ctrl_c_stops_it_as_it_stops_the_command() -> None:
    Path("hold").touch()
    process = start(SCRIPT)
    while len(list(Path().glob("result/round0/model-*/net.pkl"))) < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    Path("hold").unlink()
    out = process.communicate()[0]
    assert "no new trials are started" in out
    assert "STATE STOPPED 2" in out
    assert aft.open_run("result").state is RunState.STOPPED


def test_functions_of_all_kinds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own_module.py").write_text("def train(lr):\n    return lr + 1\n")
    monkeypatch.syspath_prepend(folder)
    own_module = library("own_module")

    class Scaled:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def __call__(self, params: dict[str, float]) -> float:
            return self.factor * params["lr"]

        def train(self, lr: float, epochs: int = 3) -> Any:
            return numpy.float32(self.factor * lr)

    def by_report(config: dict[str, float], data: object = None) -> str:
        aft.report_intermediate_result(0.1, 0)
        aft.report_final_result(config["lr"])
        return "what it returns does not matter then"

    def of_data(data: list[int], lr: float) -> float:
        return lr * len(data)

    kinds: list[tuple[Callable[..., Any], float]] = [
        (own_module.train, 1.5), (lambda lr: 2 * lr, 1.0), (Scaled(4), 2.0), (by_report, 0.5),
        (Scaled(2).train, 1.0), (functools.partial(of_data, [1, 2, 3]), 1.5),
        (lambda **params: params["lr"], 0.5),
    ]  # fmt: skip
    for number, (train, score) in enumerate(kinds):
        result = tune(train, trials=1, output_dir=f"result{number}")
        assert result.best is not None
        assert result.best.score == pytest.approx(score), train
        assert result.best.params == {"lr": 0.5}
    result = tune(lambda lr: float(numpy.add(lr, 1)), preload="auto")
    assert result.history.config["preload"] == "cloudpickle,numpy"
    tune(lambda lr: lr, preload="auto", resume=True)  # which is of another function now


def test_what_cannot_be_sent_is_named_and_nothing_starts() -> None:
    lock = threading.Lock()

    def locked(lr: float) -> float:
        with lock:
            return lr

    def inner(lr: float) -> float:
        return locked(lr)

    for train in (locked, inner, functools.partial(lambda lock, lr: lr, lock)):
        with pytest.raises(UsageError, match=r"lock.* \(lock\) cannot be pickled: TypeError"):
            tune(train)
    with pytest.raises(UsageError, match="because the value lock of o"):
        tune(lambda o: 1.0, {"o": [lock, 1]})
    with pytest.raises(UsageError, match=r"has no parameter lr, which is a hyperparameter"):
        tune(lambda x, y: 1.0)
    with pytest.raises(UsageError, match=r"the parameter momentum without a default, which not"):
        tune(lambda o, momentum: 1.0, {"o": {"sgd": {"momentum": (0.0, 0.9)}, "adam": {}}})
    with pytest.raises(UsageError, match="but train has no parameter model_path"):

        def train(lr: float) -> float:
            return lr

        tune(train, evaluator="populationbased")
    assert not Path("result").exists()


def test_a_function_that_returns_no_number_says_so_in_its_log() -> None:
    with pytest.raises(AllTrialsFailed):
        tune(lambda lr: {"accuracy": lr})
    assert "<lambda> returned dict and did not call report_final_result; return the" in log_of(0)
    trials = aft.open_run("result").trials
    assert [trial.reason for trial in trials] == ["no_result", "no_result"]


def test_a_trial_is_stopped_early() -> None:
    def train(lr: float) -> float | None:
        for step in range(1000):
            aft.report_intermediate_result(float("nan") if lr == 0.5 else lr, step)
            if aft.should_stop():
                return None
            if lr != 0.5 and step == 3:
                break
            time.sleep(0.01)
        return lr

    result = tune(train, trials=3, assessor="medianstop")
    assert result.trials[0].reason.startswith("diverged")
    assert "returned" not in log_of(0)


def test_models_are_continued() -> None:
    def train(lr: float, saved_params_dir: str, model_path: str | None = None) -> float:
        before = float(Path(model_path, "w").read_text()) if model_path else 0.0
        Path(saved_params_dir, "w").write_text(str(before + 1))
        return before + 1

    result = tune(train, gpu="cpu:1", popsize=1, trials=4)
    scores: list[Any] = [trial.score for trial in result.trials]
    for trial in result.trials:  # on a busy machine the second may be chosen before the first ends
        assert trial.score == (1.0 if trial.parent is None else scores[trial.parent] + 1.0)
    assert max(scores) >= 2.0
    assert result.best_model is not None
    assert (result.best_model / "w").read_text() == str(max(scores))
    with pytest.raises(UsageError, match="<lambda> has no parameter model_path"):
        tune(lambda lr: lr, gpu="cpu:1", popsize=1, trials=5, resume=True)


def test_the_result_has_the_objects(capsys: pytest.CaptureFixture[str]) -> None:
    library("pandas")
    told: list[Trial] = []
    betas, double = [(0.9, 0.99), (0.5, 0.9)], lambda x: 2 * x

    def train(act: Any, betas: tuple[float, float], data: Any) -> float:
        assert type(betas) is tuple
        return float(act(betas[0]) + data["x"])

    space = {"act": [double, abs], "betas": betas, "data": aft.choice([{"x": 1}])}
    result = tune(train, space, trials=4, on_trial=told.append, tuning_strategy="grid")
    assert result.best is not None
    assert result.best.params == {"act": double, "betas": (0.9, 0.99), "data": {"x": 1}}
    params: Any = result.best.params
    assert train(**params) == result.best.score
    acts: list[Any] = [trial.params["act"] for trial in told]
    assert set(acts) == {double, abs}
    frame = result.dataframe()
    assert set(frame["act"]) == {"<lambda>", "abs"}
    assert frame.loc[result.best.id, "score"] == result.best.score
    assert capsys.readouterr().out == ""


def test_arguments_may_be_computed_from_suggestions() -> None:
    def space(trial: Any) -> dict[str, float]:
        return {"lr": 10 ** trial.suggest_float("exponent", -2, 0)}

    result = tune(lambda lr: lr, space, trials=1)
    assert result.best is not None
    assert result.best.params == {"lr": result.best.score} == {"lr": pytest.approx(0.1)}
    assert result.history.best is not None
    assert dict(result.history.best.params) == {"exponent": -1.0}


# --- continuing ---------------------------------------------------------------------------------


def test_calling_it_again_continues_it() -> None:
    tune(lambda lr: lr, resume=True)  # there is none yet
    with pytest.raises(UsageError, match="already holds a run"):
        tune(lambda lr: lr)
    assert len(tune(lambda lr: lr, resume=True).trials) == 2
    result = tune(lambda lr: lr + 5, resume=True, trials=3)
    assert [trial.score is not None and trial.score > 5 for trial in result.trials] == [
        False, False, True,
    ]  # fmt: skip
    with pytest.raises(UsageError, match="another search space; they differ in: lr, n"):
        tune(lambda **params: 1.0, {"lr": (0.0, 2.0), "n": (1, 2)}, resume=True)
    with pytest.raises(UsageError, match="seed=1 cannot change in a run that was started with 0"):
        tune(lambda lr: lr, resume=True, seed=1)
    Path("train.py").write_text("")
    with pytest.raises(UsageError, match=r"tunes a function, not .*train\.py"):
        tune("train.py", resume=True)
    with pytest.raises(UsageError, match="resume needs output_dir"):
        tune(lambda lr: lr, resume=True, output_dir=None)


def test_a_moved_run_is_continued_and_a_missing_function_is_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tune(lambda lr: lr)
    Path("result").rename("moved")
    assert main(["set", "moved", "max_trials=3"]) == main(["resume", "moved"]) == 0
    folder = Path("moved/function")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    main(["set", "moved", "max_trials=4"])
    (payload,) = folder.glob("train-*.pkl")
    with payload.open("ab") as file:
        file.write(b"x")
    capsys.readouterr()
    assert main(["resume", "moved"]) == 2
    err = capsys.readouterr().err
    assert "cannot be used: " in err and f"{payload.name} has changed" in err
    assert "resume=True" in err
    payload.unlink()
    assert main(["resume", "moved"]) == 2
    assert f"there is no {payload.name}" in capsys.readouterr().err
    assert len(aft.open_run("moved").trials) == 3
    assert len(tune(lambda lr: lr, resume=True, output_dir="moved", trials=4).trials) == 4


def test_trials_that_have_just_started_keep_their_function() -> None:
    """A resumed run may have another one, and adopts trials that have not loaded theirs yet."""
    payloads: set[str] = set()
    for number in range(3):
        tune(lambda lr, by=number: lr + by, resume=number > 0, trials=1 + number)
        now = {path.name for path in Path("result/function").glob("*.pkl")}
        assert len(now) == min(number + 1, 2)
        assert len(now - payloads) == 1
        payloads |= now
    for number, trial in enumerate(aft.open_run("result").trials):
        assert trial.score == pytest.approx(float(str(trial.params["lr"])) + number)


def test_an_array_is_mapped_by_trials_and_kept_for_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    def train(array: Any, lr: float) -> float:
        assert isinstance(array, numpy.memmap) and not array.flags.writeable
        return float(array[1000] + lr)

    result = tune(functools.partial(train, aft.put(numpy.arange(2_000_000.0))))
    assert result.best is not None and result.best.score == pytest.approx(1000.5, abs=1)
    (payload,) = Path("result/function").glob("train-*.pkl")
    assert payload.stat().st_size < 100_000
    del result
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())
    main(["set", "result", "max_trials=3"])
    assert main(["resume", "result"]) == 0
    assert aft.open_run("result").trials[2].score is not None
    (kept,) = Path("result/function").glob("*.npy")
    kept.rename("elsewhere")
    assert main(["resume", "result"]) == 2
    assert f"there is no {kept.name}" in capfd.readouterr().err
    Path("elsewhere").rename(kept)
    tune(lambda lr: lr, resume=True, trials=4)  # it does not refer to the array
    assert kept.exists()  # for trials that were running
    tune(lambda lr: lr / 2, resume=True, trials=5)
    assert not kept.exists()


def test_a_large_payload_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    data = numpy.zeros(9 << 20)
    caplog.set_level("INFO")
    tune(lambda lr: lr + data[0], trials=1)
    assert "has 72 MB, which every trial reads; X = aft.put(X)" in caplog.text


# --- in an event loop ---------------------------------------------------------------------------


def test_the_event_loop_continues_and_a_cancellation_acts_as_ctrl_c(folder: Path) -> None:
    def train(lr: float) -> float:
        (folder / f"started{lr}").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        return lr

    options: dict[str, Any] = {"trials": 4, "output_dir": "result", "progress": False}

    async def cancelled() -> None:
        tuning = asyncio.ensure_future(aft.tune_async(train, SPACE, **options, gpu="cpu:2"))
        while len(list(folder.glob("started*"))) < 2:
            assert not tuning.done()
            await asyncio.sleep(0.01)
        tuning.cancel()
        await asyncio.sleep(0.01)
        assert not tuning.done()  # it waits for the running trials
        (folder / "go").touch()
        with pytest.raises(asyncio.CancelledError):
            await tuning

    asyncio.run(cancelled())
    found = aft.open_run("result")
    assert (found.state, len([t for t in found.trials if t.score is not None])) == (
        RunState.STOPPED, 2,
    )  # fmt: skip
    result = asyncio.run(aft.tune_async(train, SPACE, **options, resume=True))
    assert (result.state, len(result.trials)) == (RunState.DONE, 4)
