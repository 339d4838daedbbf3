"""Our tuners against the tuners of the same names in NNI and Optuna.

Mean regret after 100 trials on LCBench, and by how much it differs from that of random search and
from that of the tuner of the same name elsewhere, on the same tasks and seeds: below zero is
better than those. Intervals are 95 %, as above.

`grid` and `ppo` are not made for such spaces: a grid of seven ranges is not finished after 100
trials, and PPO is for choices of layers and inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import metrics, results
from .cells import Cell
from .yahpo import FAMILY

NAMESAKES: Mapping[str, Sequence[str]] = {
    "anneal": (),
    "evolution": ("nni-evolution",),
    "gp": (),
    "grid": (),
    "metis": (),
    "pbt": (),
    "ppo": (),
    "random": ("nni-random",),
    "tpe": ("nni-tpe", "optuna-tpe-uni", "optuna-tpe"),
}
AT = 100
TITLE = "Tuners and their namesakes"


def section(found: Mapping[results.Key, Cell], names: Sequence[str]) -> str:
    """Markdown: a row for each tuner and what it is compared with; nothing without cells."""
    tasks = [name for name in names if name.startswith(f"{FAMILY}/")]
    rows = [
        _row(found, tasks, ours, other)
        for ours, namesakes in NAMESAKES.items()
        for other in dict.fromkeys((*(["random"] if ours != "random" else []), *namesakes))
    ]
    if not any(rows):
        return ""
    head = [
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        f"Versions: {_versions(found)}.",
        "",
        f"| tuner | regret@{AT} | against | its regret@{AT} | difference | searches |",
        "|---" * 6 + "|",
    ]
    return "\n".join([*head, *filter(None, rows)])


def _versions(found: Mapping[results.Key, Cell]) -> str:
    """Of the packages that the namesakes are from."""
    peers = {name for names in NAMESAKES.values() for name in names}
    versions = {
        (package, version)
        for (_, method, _), cell in found.items()
        if method in peers
        for package, version in cell.versions.items()
        if package == method.partition("-")[0]
    }
    return ", ".join(f"{package} {version}" for package, version in sorted(versions))


def _row(found: Mapping[results.Key, Cell], tasks: Sequence[str], ours: str, other: str) -> str:
    group = results.select(found, tasks, [ours, other], AT)
    if group is None:
        return ""
    regret = group.at(AT)
    mine, its = regret.mean(axis=(0, 1))
    difference = regret[..., :1] - regret[..., 1:]
    low, high = (float(np.squeeze(end)) for end in metrics.bootstrap(difference))
    return (
        f"| {ours} | {mine:.3f} | {other} | {its:.3f} "
        f"| {mine - its:+.3f} [{low:+.3f}, {high:+.3f}] "
        f"| {len(group.tasks)} tasks × {len(group.seeds)} seeds |"
    )
