"""Regret against the epochs that were spent, of all methods in one picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality import metrics

Array = NDArray[np.float64]


def draw(
    path: Path,
    title: str,
    shares: Sequence[float],
    regrets: Mapping[str, Array],
    thick: Collection[str],
) -> None:
    """Mean regret over problems and seeds; of the `thick` methods with its 95 % interval.

    Args:
        shares: of the epochs of whole trainings, `(n,)`.
        regrets: by method, `(problems, seeds, n)`; NaN where a method was not measured.
    """
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "fewer_epochs"  # the same results, the same file
    figure, axes = plt.subplots(figsize=(8.0, 5.0), layout="constrained")
    percent = 100.0 * np.asarray(shares)
    for place, (method, regret) in enumerate(regrets.items()):
        is_thick = method in thick
        (line,) = axes.plot(
            percent,
            regret.mean(axis=(0, 1)),
            label=method,
            color=mpl.colormaps["tab20"](place % 20),
            linewidth=2.5 if is_thick else 1.0,
            linestyle="-" if is_thick else ("--", "-.", ":")[place % 3],
            zorder=3 if is_thick else 2,
        )
        if is_thick:
            low, high = metrics.bootstrap(regret)
            axes.fill_between(percent, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(
        title=title,
        xlabel="epochs spent, in percent of those of 100 whole trainings",
        ylabel="mean normalised regret",
        xlim=(percent[0], percent[-1]),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
