"""With real CUDA contexts: two trials a card, PyTorch preloaded, killed in the middle.

Says so where there is no card or no PyTorch for it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .runs import HPARAM, machine

TRAIN = """
import os, sys, time
import torch
block = torch.zeros(256 << 20, dtype=torch.uint8, device="cuda")
print("holds", torch.cuda.memory_allocated(), flush=True)
open(os.environ["AUTOFINETUNE_TRIAL"] + ".holds", "w").close()
time.sleep(1.0 if "--short" in sys.argv else 600.0)
from autofinetune import report_final_result
report_final_result(float(block.sum().item()))
"""
PATIENCE_S = 120.0


def used_mib() -> int:
    words = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def why_not() -> str:
    try:
        used_mib()
    except (OSError, subprocess.CalledProcessError):
        return "there is no NVIDIA card here"
    found = subprocess.run(
        [sys.executable, "-c", "import torch; raise SystemExit(not torch.cuda.is_available())"],
        check=False, capture_output=True,
    )  # fmt: skip
    return "" if found.returncode == 0 else "there is no PyTorch for it in this environment"


def measure() -> str:
    reason = why_not()
    return f"gpu: not measured, {reason}" if reason else "\n".join((_whole(), _killed()))


def _command(root: Path, *words: str) -> list[str]:
    (root / "train.py").write_text(TRAIN)
    (root / "hparam.yaml").write_text(HPARAM)
    return [
        sys.executable, "-m", "autofinetune", "train.py", "--param_file=hparam.yaml", "--gpu=0",
        "--trials_per_gpu=2", "--preload=torch", "--skip-preflight", "--evaluator=fulltrail",
        "--output_dir=result", "--popsize=4", *words,
    ]  # fmt: skip


def _whole() -> str:
    """A run to its end: memory before and after, and how long it took."""
    with tempfile.TemporaryDirectory() as directory:
        before, began = used_mib(), time.monotonic()
        command = _command(Path(directory), "--round=5", "--", "--short")
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        time.sleep(2.0)
        after = used_mib()
    return (
        f"20 trials of 1 s, two at a time, torch preloaded ({machine()}): exit code "
        f"{done.returncode}, {seconds:.0f} s; memory of the card {before} MiB before, "
        f"{after} after"
    )


def _killed() -> str:
    """Two trials hold memory; the run is ended; the memory must be back."""
    with tempfile.TemporaryDirectory() as directory:
        root, before = Path(directory), used_mib()
        process = subprocess.Popen(_command(root, "--round=1"), cwd=root)
        end = time.monotonic() + PATIENCE_S
        while len(list(root.glob("*.holds"))) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        held = used_mib()
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        code = process.wait(PATIENCE_S)
        time.sleep(2.0)
        after = used_mib()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    return (
        f"ended with two trials at work (devices {visible}): exit code {code}; memory of the card "
        f"{before} MiB before, {held} while they ran, {after} after"
    )
