"""Regret against trials, one picture for each group of tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from . import metrics, results

_FLOOR = 1e-3  # of what is told apart: a logarithmic axis ends there


def draw(path: Path, title: str, group: results.Group, thick: Collection[str]) -> None:
    """Mean regret over tasks and seeds; of the `thick` methods with its 95 % interval."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "search_quality"  # the same results, the same file
    figure, axes = plt.subplots(figsize=(8.0, 5.0), layout="constrained")
    trials = np.arange(5, group.regret.shape[-1] + 1, 5)  # batches of five: steps in between
    curves = group.regret[..., trials - 1].mean(axis=(0, 1))
    has_logarithm = bool((curves > _FLOOR).all())  # not where a search beats the best known
    for place, method in enumerate(group.methods):
        is_thick = method in thick
        (line,) = axes.plot(
            trials,
            curves[place],
            label=method,
            color=mpl.colormaps["tab20"](place % 20),
            linewidth=2.5 if is_thick else 1.0,
            linestyle="-" if is_thick else _style(place),
            zorder=3 if is_thick else 2,
        )
        if is_thick:
            low, high = metrics.bootstrap(group.regret[:, :, place][..., trials - 1])
            axes.fill_between(
                trials,
                np.maximum(low, _FLOOR) if has_logarithm else low,
                high,
                color=line.get_color(),
                alpha=0.15,
                linewidth=0,
            )
    axes.set(
        title=f"{title}: {len(group.tasks)} tasks, {group.seeds_in_words}",
        xlabel="trials, five at a time",
        ylabel="mean normalised regret",
        yscale="log" if has_logarithm else "linear",
        xlim=(5, trials[-1]),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _style(place: int) -> str:
    return ("--", "-.", ":")[place % 3]


def draw_all(
    folder: Path, groups: Mapping[str, results.Group], thick: Collection[str]
) -> dict[str, str]:
    """One file for each title; title -> name of the file."""
    names = {}
    for title, group in groups.items():
        words = "".join(c if c.isalnum() else "_" for c in title.lower())
        names[title] = f"search_quality_{words}.svg"
        draw(folder / names[title], title, group, thick)
    return names
