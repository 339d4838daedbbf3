"""What do `import autofinetune` and `autofinetune --help` cost over a bare interpreter?

    python -m benchmarks.startup [--runs 30]

The commands are run in turn, so that a machine that changes its speed changes it for all; quoted
are medians and the median of the differences pair by pair.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "bare": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import autofinetune"],
    "report": [sys.executable, "-m", "autofinetune", "report-final", "0.5"],
    "help": [sys.executable, "-m", "autofinetune", "--help"],
}


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    for command in COMMANDS.values():
        seconds(command)  # compiles and warms the caches
    taken = {name: [] for name in COMMANDS}  # type: dict[str, list[float]]
    for _ in range(runs):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    for name, times in taken.items():
        over = [one - bare for one, bare in zip(times, taken["bare"], strict=True)]
        print(
            f"{name:8} median {1000 * statistics.median(times):6.1f} ms, "
            f"over a bare interpreter {1000 * statistics.median(over):6.1f} ms"
        )


if __name__ == "__main__":
    main()
