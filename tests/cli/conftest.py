"""A directory with its own training script, and the command as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nursery import Forked, Nursery

TRAIN = """
import argparse, os, signal, sys, time
import autofinetune as hub

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--units", type=int)
parser.add_argument("--saved_params_dir")
parser.add_argument("--model_path")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--max_seq_len", type=int, default=1)
parser.add_argument("--crash_at", type=int, default=-1)
parser.add_argument("--hold", default="")
args = parser.parse_args()

trial = int(os.environ["AUTOFINETUNE_TRIAL"])
ledger = os.environ.get("LEDGER")
if ledger:
    with open(ledger, "a") as file:
        file.write(f"start {trial} {os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}\\n")
before = 0.0
if args.model_path:
    before = float(open(os.path.join(args.model_path, "weights")).read())
print("epochs", args.epochs, "max_seq_len", args.max_seq_len)
for epoch in range(args.epochs):
    hub.report_intermediate_result(epoch / 10, epoch)
if trial == args.crash_at:
    raise RuntimeError("planned crash")
while args.hold and not os.path.exists(args.hold):
    time.sleep(0.01)
with open(os.path.join(args.saved_params_dir, "weights"), "w") as file:
    file.write(str(before + args.epochs))
hub.report_final_result(1.0 - abs(args.lr - 0.01) - abs(args.units - 40) / 100)
if ledger:
    with open(ledger, "a") as file:
        file.write(f"end {trial}\\n")
"""

HPARAM = """
param_list:
 - name : lr
   init_value : 1e-3
   type : float
   lower_than : 0.05
   greater_than : 0.00005
 - name : units
   init_value : 16
   type : int
   lower_than : 64
   greater_than : 4
"""


@dataclass
class Done:
    """The outcome of a command."""

    code: int
    out: str
    err: str


@dataclass
class Workplace:
    """A user's directory; without a nursery, commands do their own imports."""

    root: Path
    nursery: Nursery | None = None

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "autofinetune", *words]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "LEDGER": str(self.root / "ledger"), "HOME": str(self.root)}

    def run(self, *words: str) -> Done:
        """Run a command to its end, as a process of its own."""
        with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
            if self.nursery is None:
                code = subprocess.call(
                    self.command(*words), cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
                    stdout=out.fileno(), stderr=err.fileno(),
                )  # fmt: skip
            else:
                task = {"words": words, "cwd": str(self.root), "env": self.env,
                        "out": out.name, "err": err.name}  # fmt: skip
                code = Forked(self.nursery, task).wait()
            out.seek(0)
            err.seek(0)
            done = Done(code, out.read(), err.read())
        assert "\nTraceback" not in f"\n{done.err}", done.err
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def tune(self, *words: str, out: str = "result") -> Done:
        return self.run(
            "train.py", "--param_file=hparam.yaml", "--gpu=0,1", f"--output_dir={out}", *words
        )

    def ledger(self, word: str) -> list[int]:
        """Return the trials of all ledger lines that start with `word`."""
        path = self.root / "ledger"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: Nursery) -> Workplace:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    return Workplace(tmp_path, nursery)
