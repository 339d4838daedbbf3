"""The digits demo with epochs of $EPOCH_SECONDS, as a larger network would take them on a GPU."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from demo.digits import train as demo


def main() -> None:
    seconds, train_epoch = float(os.environ["EPOCH_SECONDS"]), demo.train_epoch

    def longer(
        weights: demo.Weights, speed: demo.Weights, digits: demo.Digits,
        options: argparse.Namespace, epoch: int,
    ) -> None:  # fmt: skip
        until = time.monotonic() + seconds
        train_epoch(weights, speed, digits, options, epoch)
        time.sleep(max(0.0, until - time.monotonic()))

    demo.train_epoch = longer
    demo.main()


if __name__ == "__main__":
    main()
