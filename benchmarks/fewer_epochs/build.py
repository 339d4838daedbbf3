"""Trains every configuration of the real trainings once, and writes the tables of their curves.

    python -m benchmarks.fewer_epochs.build [digits cnn transformer boosting]

Needs scikit-learn, torch and xgboost. It takes half an hour on one core; tables that exist are
kept.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import time

import numpy as np

from . import real

_AT_ONCE = 48  # configurations in one call


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(real.NAMES))
    for name in parser.parse_args().names or real.NAMES:
        path = real.TABLES / f"{name}.npz"
        if path.exists():
            continue
        began = time.process_time()
        curves = build(name)
        libraries = real.training(name).LIBRARIES
        versions = [f"{library} {importlib.metadata.version(library)}" for library in libraries]
        real.save(name, curves, [f"Python {platform.python_version()}", *versions])
        best, median = real.scale(name)
        print(
            f"{name}: {len(curves)} trainings of {curves.shape[1]} steps, "
            f"{np.isnan(curves[:, -1]).sum()} diverged, best {best:.4f}, median {median:.4f}; "
            f"{time.process_time() - began:.0f} s, {path.stat().st_size / 1024:.0f} KiB",
            flush=True,
        )


def build(name: str) -> real.Array:
    """Train all configurations, those that are alike together; the seed counts such calls."""
    training, every = real.training(name), real.configurations(name)
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, params in enumerate(every):
        groups.setdefault(tuple(params[key] for key in training.ALIKE), []).append(index)
    curves = np.empty((len(every), training.LENGTH))
    parts = [
        group[start : start + _AT_ONCE]
        for group in groups.values()
        for start in range(0, len(group), _AT_ONCE)
    ]
    for seed, part in enumerate(parts):
        curves[part] = training.train([every[index] for index in part], seed)
    return curves


if __name__ == "__main__":
    main()
