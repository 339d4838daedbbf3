"""How long does a trial take from its submission to the first line of train.py after the imports?

    python -m benchmarks.first_line [--modules torch] [--runs 20]

Trials that import for themselves and forks of a process that has imported already are started in
turn, so that a machine that changes its speed changes it for both; beside them `python train.py`
without a tuner. Quoted are medians, and the ratio of those of a plain start and of a fork.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autofinetune.executors import (
    Attempt,
    ForkServer,
    Imports,
    JobState,
    LocalExecutor,
    Slot,
)

SCRIPT = "train.py"


def first_lines(modules: tuple[str, ...], runs: int, root: Path) -> dict[str, list[float]]:
    """Seconds to the first line after the imports: `plain`, `ordinary` and `forked` starts."""
    code = "".join(f"import {module}\n" for module in modules)
    (root / SCRIPT).write_text(f"{code}import time\nprint(time.time())\n")
    taken: dict[str, list[float]] = {"plain": [], "ordinary": [], "forked": []}
    imports = Imports(sys.executable, SCRIPT, str(root), modules)
    with contextlib.ExitStack() as stack:
        forks = stack.enter_context(contextlib.closing(ForkServer(imports, os.environ, print)))
        plain = stack.enter_context(contextlib.closing(LocalExecutor([Slot("a")], os.environ)))
        forked = LocalExecutor([Slot("a")], os.environ, forks=forks)
        stack.enter_context(contextlib.closing(forked))
        while forks.pid is not None and not forks.is_ready():
            time.sleep(0.01)
        for number in range(runs):
            taken["plain"].append(_seconds_alone(root))
            for name, executor in (("ordinary", plain), ("forked", forked)):
                taken[name].append(_seconds(executor, root, f"{name}-{number}"))
    return taken


def _seconds_alone(root: Path) -> float:
    began = time.time()
    done = subprocess.run([sys.executable, SCRIPT], cwd=root, capture_output=True, check=True)
    return float(done.stdout) - began


def _seconds(executor: LocalExecutor, root: Path, name: str) -> float:
    attempt = Attempt(
        run="first_line",
        trial=0,
        attempt=1,
        slot="a",
        argv=(sys.executable, SCRIPT),
        env={},
        working_dir=str(root),
        directory=str(root / name),
        log=str(root / f"{name}.log"),
        grace_s=5.0,
    )
    began = time.time()
    executor.submit(attempt)
    while not any(news.state is JobState.EXITED for news in executor.poll(1.0)):
        pass
    return float(Path(attempt.log).read_text()) - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--modules", default="torch")
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        taken = first_lines(tuple(args.modules.split(",")), args.runs, Path(root))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, median in medians.items():
        print(f"{name:9} median {1000 * median:8.1f} ms")
    print(
        f"a plain start takes {medians['plain'] / medians['forked']:.0f} times as long as a fork"
    )


if __name__ == "__main__":
    main()
