"""A user's directory with a script for some library, and the command as that user types it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = "STRANGERS_PYTHON"
ROOT = Path(__file__).parents[2]
LR = """\
param_list:
 - name : lr
   init_value : 0.25
   type : choice
   choices : [0.25, 0.5]
"""
# Both values of LR, one after the other.
BOTH = ("--tuning_strategy=grid", "--popsize=2", "--round=1", "--gpu=cpu:1")
# Stops the second of these trials at its first value that is worse.
STOP = ("--assessor=medianstop", "--assessor_options", "min_completed=1,start_step=1")
_VARIABLES = ("WANDB_", "MLFLOW_", "AUTOFINETUNE_", "XDG_", "HUB_HOME", "NNI_", "CUDA_VISIBLE")
_LIMIT_S = 900
# Many libraries import matplotlib, which makes a list of all fonts in a new home: that takes long.
_FONTS = os.environ.get("MPLCONFIGDIR") or str(Path.home() / ".cache/matplotlib")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Place:
    """A directory with scripts, and a home beside it that nothing should write into."""

    root: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def write(self, **files: str) -> None:
        """Write files; `train_py="..."` becomes train.py."""
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (self.root / f"{stem}.{suffix}").write_text(textwrap.dedent(text))

    @property
    def env(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(_VARIABLES)}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        own = {"HOME": str(self.home), "PYTHONPATH": path, "MPLCONFIGDIR": _FONTS}
        return {**kept, **own, "LEDGER": str(self.root / "ledger"), **self.variables}

    def command(self, *words: str) -> list[str]:
        return [os.environ[PYTHON], "-m", "autofinetune", *words]

    def run(self, *words: str) -> Done:
        """Run a command to its end; it must not show a traceback of ours."""
        done = subprocess.run(
            self.command(*words), cwd=self.root, env=self.env, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=_LIMIT_S,
        )  # fmt: skip
        assert "\nTraceback" not in f"\n{done.stderr}", done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def tune(self, *words: str) -> list[dict[str, str]]:
        """Run train.py with hparam.yaml to a good end, and return its trials."""
        if not (self.root / "hparam.yaml").exists():
            self.write(hparam_yaml=LR)
        done = self.run(
            "train.py", "--param_file=hparam.yaml", "--output_dir=result", *BOTH, *words
        )
        assert done.code == 0, self.explain(done)
        return self.trials()

    def explain(self, done: Done) -> str:
        logs = [p.read_text(errors="replace")[-3000:] for p in self.logs()]
        return "\n---\n".join([done.err, done.out, *logs])

    def logs(self) -> list[Path]:
        return sorted(self.root.glob("result/round*/log-*.info"))

    def trials(self) -> list[dict[str, str]]:
        with (self.root / "result/trials.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def model(self, trial: int) -> Path:
        """The model directory of a trial of the first round."""
        return self.root / f"result/round0/model-{trial}"

    def attempt(self, trial: int) -> Path:
        return self.root / f"result/trials/{trial}/attempt-1"

    def log(self, trial: int) -> str:
        return (self.root / f"result/round0/log-{trial}.info").read_text()

    def ledger(self) -> list[str]:
        """The lines that scripts wrote into the file in the variable LEDGER."""
        path = self.root / "ledger"
        return path.read_text().splitlines() if path.exists() else []

    def names(self) -> set[str]:
        """What lies beside the script."""
        return {path.name for path in self.root.iterdir()}

    def kill_when(self, is_time: Callable[[], bool], *words: str) -> None:
        """Start a command and kill it with SIGKILL once `is_time()`; trials go on."""
        tuner = subprocess.Popen(
            self.command(*words), cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_until(lambda: is_time() or tuner.poll() is not None)
            assert tuner.poll() is None, "the run ended before it was killed"
        finally:
            tuner.send_signal(signal.SIGKILL)
            tuner.wait()


def wait_until(is_true: Callable[[], bool]) -> None:
    """Look again and again, for at most as long as a command may take."""
    until = time.monotonic() + _LIMIT_S
    while not is_true():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)


def scores(trials: Sequence[Mapping[str, str]]) -> list[float]:
    """The scores of trials that all completed."""
    assert {trial["state"] for trial in trials} == {"COMPLETED"}, trials
    return [float(trial["score"]) for trial in trials]


def states(trials: Sequence[Mapping[str, str]]) -> list[str]:
    return [trial["state"] for trial in trials]
