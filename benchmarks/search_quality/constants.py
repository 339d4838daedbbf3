"""The constants of the strategies: what else was tried for each, and what came of it.

    python -m benchmarks.search_quality run --yahpo=DIR --tasks=tuned --methods='pshe2;hazero;...'

Each variant is the strategy with one option changed, on the tasks that may be tuned on and no
others. Defaults are in the `OPTIONS` of the strategies.
"""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.strategies import strategy_class

from . import results
from .cells import Cell
from .tasks import TUNED_ON

VARIANTS = (
    "pshe2:length=0.6",
    "pshe2:length=1",
    "pshe2:length=4",
    "pshe2:tail=1",
    "pshe2:demand=0",
    "pshe2:demand=0.4",
    "pshe2:design=20",
)
AT = (25, 50, 100)


def section(found: Mapping[results.Key, Cell]) -> str:
    """Markdown: each variant against the default, on the cells both have."""
    rows = []
    for variant in VARIANTS:
        strategy, _, change = variant.partition(":")
        group = results.select(found, TUNED_ON, [strategy, variant], max(AT))
        if group is None:
            continue
        option = change.partition("=")[0]
        default = strategy_class(strategy).OPTIONS[option].default
        values = [
            f"{mine:+.4f} ({before:.4f})"
            for before, mine in (group.at(n).mean(axis=(0, 1)) for n in AT)
        ]
        cells = len(group.tasks) * len(group.seeds)
        rows.append(f"| {variant} | {default} | {cells} | {' | '.join(values)} |")
    if not rows:
        return ""
    head = [
        "## The constants",
        "",
        "Mean regret with one option changed, and in brackets that of the default on the same "
        "tasks and seeds; tasks tuned on only. Differences of 0.02 are within the noise of so few "
        "seeds.",
        "",
        f"| variant | default | searches | {' | '.join(f'@{n}' for n in AT)} |",
        "|---" * (len(AT) + 3) + "|",
    ]
    return "\n".join([*head, *rows])
