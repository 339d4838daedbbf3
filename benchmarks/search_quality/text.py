"""The compact report on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import results
from .cells import Cell


def report(
    found: Mapping[results.Key, Cell],
    tasks: Sequence[str],
    methods: Sequence[str],
    trials: Sequence[int],
) -> str:
    """One table for each family: regret and rank after so many trials with 95 % intervals."""
    lines: list[str] = []
    for title, members in results.families(tasks).items():
        group, left_out = results.group(found, members, methods, max(trials))
        if group is None:
            continue
        lines += ["", f"## {title}: {len(group.tasks)} tasks x {len(group.seeds)} seeds"]
        lines.append(
            f"{'':24s}" + "".join(f"{f'regret@{n}':>25s}" for n in trials)
            + "".join(f"{f'rank@{n}':>20s}" for n in trials) + "     ms"
        )  # fmt: skip
        regret = {n: results.regrets(group, n) for n in trials}
        rank = {n: results.ranks(group, n) for n in trials}
        for method in sorted(group.methods, key=lambda m: rank[trials[-1]][m].mean):
            cells = [regret[n][method] for n in trials]
            text = "".join(f"{f'{c.mean:.4f} [{c.low:.3f},{c.high:.3f}]':>25s}" for c in cells)
            cells = [rank[n][method] for n in trials]
            text += "".join(f"{f'{c.mean:.2f} [{c.low:.1f},{c.high:.1f}]':>20s}" for c in cells)
            lines.append(f"{method:24s}{text}{group.milliseconds[method]:7.0f}")
        if left_out:
            few = ", ".join(f"{method} ({count})" for method, count in left_out.items())
            lines.append(f"left out for too few cells, unless named by --methods: {few}")
    return "\n".join(lines).strip()
