"""The engine of this machine: its slots, and an executor that does what the options say."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autofinetune.config.safety import Safety
from autofinetune.core.slot import Slot
from autofinetune.errors import EnvironmentProblem
from autofinetune.executors import Attempt, Imports
from autofinetune.executors.files.hand_over import trial_environment
from autofinetune.executors.local.engine import LocalEngine
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.executors.local.forks import ForkServer
from autofinetune.runner.files import EXIT
from autofinetune.runner.processes import descendants, identity, is_alive
from autofinetune.trial.report import RANKS
from tests.executors.devices.test_cards import LIBRARY
from tests.forking import SCRIPT, attempt_of, until_over, wait_until
from tests.helpers import config_of

HOLD = (
    "import os, time\nprint('ready', flush=True)\n"
    "while not os.path.exists('go'): time.sleep(0.005)"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of a script that executes its argument."""
    (tmp_path / SCRIPT).write_text("import sys; exec(sys.argv.pop(1))")
    return tmp_path


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the machine a driver with two cards, each of 2 bytes, of which 1 is free."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "pynvml.py").write_text(LIBRARY.format(init="pass"))
    monkeypatch.syspath_prepend(str(library))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@contextlib.contextmanager
def opened(
    root: Path,
    gpu: str = "cpu:2",
    *,
    imports: Imports | None = None,
    notices: list[str] | None = None,
    **safety: object,
) -> Iterator[LocalExecutor]:
    """The executor of a run on these devices."""
    config = config_of(gpu=gpu, working_dir=str(root), safety=Safety(**safety))  # type: ignore[arg-type]
    told = [] if notices is None else notices
    with LocalEngine(gpu) as engine:
        slots = engine.slots(config)
        with engine.opened(config, slots, imports, told.append) as executor:
            assert isinstance(executor, LocalExecutor)
            yield executor


def attempt(root: Path, code: str) -> Attempt:
    return attempt_of(root, code, slot=Slot("cpu:0"))


def log_of(root: Path) -> str:
    log = root / "attempt.log"
    return log.read_text() if log.exists() else ""


def importing(root: Path, *steps: str) -> Imports:
    return Imports(sys.executable, SCRIPT, str(root), steps)


def test_the_slots_are_those_of_the_option(root: Path, cards: None) -> None:
    with opened(root, "cpu:3") as executor:
        assert executor.slots() == [Slot("cpu:0"), Slot("cpu:1"), Slot("cpu:2")]
    with opened(root, "1,0") as executor:
        assert executor.slots() == [Slot("1"), Slot("0")]


def test_a_trial_gets_the_variables_of_the_tuner_and_the_layer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.setenv("PMI_RANK", "3")  # a launcher's, with which no trial would report
    monkeypatch.setenv("OF_THE_USER", "kept")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    code = (
        "import os, sys\nnames = 'PMI_RANK', 'OF_THE_USER', 'PYTHONUNBUFFERED'\n"
        "print(*map(os.environ.get, names))\n"
        "print('autofinetune.adapters.layer' in sys.modules, '/elsewhere' in sys.path)"
    )
    with opened(root) as executor:
        executor.submit(attempt(root, code))
        until_over(executor)
    assert log_of(root) == "0 kept 1\nTrue True\n"


def test_what_the_user_says_about_buffers_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    assert trial_environment()["PYTHONUNBUFFERED"] == ""


def test_trials_are_forks_of_a_process_that_ends_with_the_executor(root: Path) -> None:
    notices: list[str] = []
    with opened(root, imports=importing(root, "json"), notices=notices) as executor:
        forks = executor._forks
        assert isinstance(forks, ForkServer)
        wait_until(lambda: forks.is_ready() or bool(notices))
        assert forks.pid is not None
        server = identity(forks.pid)
        executor.submit(
            attempt(root, "import sys; print('autofinetune.preload.server' in sys.modules)")
        )
        until_over(executor)
        assert log_of(root) == "True\n"
        assert is_alive(server)
    assert not is_alive(server)
    (notice,) = notices  # the slots differ in no variable that the imports may have read
    assert notice.startswith("preload: json imported in ")


@pytest.mark.parametrize(("choice", "why"), [("adopt", "exit"), ("kill", "tuner_died")])
def test_trials_outlive_the_tuner_where_the_option_says_so(
    root: Path, choice: str, why: str
) -> None:
    held = attempt(root, HOLD)
    with opened(root, on_tuner_death=choice) as executor:
        executor.submit(held)
        wait_until(lambda: "ready" in log_of(root))
    record = Path(held.directory, EXIT)
    if choice == "adopt":
        assert not record.exists()
        (root / "go").touch()
    wait_until(record.exists)
    assert f'"why": "{why}"' in record.read_text()


def test_runs_with_the_same_folder_of_leases_take_turns(root: Path, cards: None) -> None:
    with opened(root, "0,1", lease_dir="leases") as one:
        assert one.obstacle(Slot("0")) == ""
        with opened(root, "0,1", lease_dir=str(root / "leases")) as two:
            assert "is held by another run" in two.obstacle(Slot("0"))
            assert two.obstacle(Slot("1")) == ""
        with opened(root, "0,1") as three:
            assert three.obstacle(Slot("0")) == ""


def test_a_card_without_enough_free_memory_starts_no_trial(root: Path, cards: None) -> None:
    with opened(root, "0", min_free_gpu_gb=1.0) as executor:
        assert "--min_free_gpu_gb=1" in executor.obstacle(Slot("0"))
    with opened(root, "0") as executor:
        assert executor.obstacle(Slot("0")) == ""


def test_without_a_place_for_leases_nothing_is_left_running(root: Path) -> None:
    (root / "file").touch()
    before = descendants(os.getpid())
    with (
        pytest.raises(EnvironmentProblem, match="cannot be created"),
        opened(root, lease_dir="file/leases", imports=importing(root, "json")),
    ):
        raise AssertionError("there is no executor")
    assert set(descendants(os.getpid())) <= set(before)
