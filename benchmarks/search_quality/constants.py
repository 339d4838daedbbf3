"""The constants of the strategies: what else was tried for each, and what came of it.

    python -m benchmarks.search_quality run --yahpo=DIR --tasks=tuned --methods='pshe2;hazero;...'

Each variant is the strategy with one option changed, on the tasks that may be tuned on and no
others. Defaults are in the `OPTIONS` of the strategies.
"""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.strategies import strategy_class

from . import mixed, results, synthetic, yahpo
from .cells import Cell
from .tasks import TUNED_ON

VARIANTS = (
    "pshe2:length=1",
    "pshe2:length=4",
    "hazero:length=1",
    "hazero:length=4",
    "pshe2:design=5",
    "pshe2:design=20",
    "pshe2:tail=1",
    "pshe2:demand=0",
    "pshe2:demand=0.4",
)
AT = (25, 50, 100)
TASKS = {
    "LCBench": yahpo.FAMILY,
    "functions": synthetic.TUNING_FAMILY,
    "choices and conditions": mixed.FAMILY,
}


def section(found: Mapping[results.Key, Cell]) -> str:
    """Markdown: each variant against the default, on the cells both have."""
    rows = []
    for variant in VARIANTS:
        strategy, _, change = variant.partition(":")
        default = strategy_class(strategy).OPTIONS[change.partition("=")[0]].default
        for title, family in TASKS.items():
            tasks = [task for task in TUNED_ON if task.startswith(f"{family}/")]
            group = results.select(found, tasks, [strategy, variant], max(AT))
            if group is None:
                continue
            values = [
                f"{mine:+.4f} ({before:.4f})"
                for before, mine in (group.at(n).mean(axis=(0, 1)) for n in AT)
            ]
            cells = f"{len(group.tasks)} × {len(group.seeds)}"
            rows.append(f"| {variant} | {default} | {title} | {cells} | {' | '.join(values)} |")
    if not rows:
        return ""
    head = [
        "Mean regret with one option changed, and in brackets that of the default on the same "
        "tasks and seeds; on the tuning tasks only. Differences of 0.02 are within the noise of "
        "so few seeds.",
        "",
        f"| variant | default | tasks | tasks × seeds | {' | '.join(f'@{n}' for n in AT)} |",
        "|---" * (len(AT) + 4) + "|",
    ]
    return "\n".join([*head, *rows])
