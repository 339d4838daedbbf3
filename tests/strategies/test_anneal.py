"""The windows of anneal."""

from __future__ import annotations

import numpy as np

from autofinetune.strategies import Strategy, create_strategy
from tests.helpers import space_of


def fed(options: dict[str, str] | None = None, trials: int = 100) -> Strategy:
    """Return a strategy after some trials; the best lies at 0.9, all others are equal."""
    strategy = create_strategy(
        "anneal", space_of("float", "choice"), popsize=5, seed=1, options=options
    )
    for number in range(trials):
        (candidate,) = strategy.ask(1)
        strategy.tell(candidate, 1.0 if number == 1 else -float(number))
    return strategy


def test_the_window_shrinks_about_good_trials() -> None:
    strategy = fed()
    best = strategy._history._rows[1]  # type: ignore[attr-defined]
    asked = strategy.ask(40)
    width = 1 / (1 + 0.1 * 100)
    near = [c for c in asked if abs(c.point[0] - best[0]) <= width]
    assert len(near) > 15  # half of them on average
    assert np.mean([c.params["x1"] == ("a" if best[1] < 0.5 else "b") for c in near]) > 0.8
    assert all(0.0 <= c.point[0] <= 1.0 for c in asked)


def test_running_trials_count_where_that_is_asked_for() -> None:
    plain, lied = fed(), fed({"constant_liar_type": "best"})
    assert plain.ask(1) != lied.ask(1) or plain.ask(5) != lied.ask(5)
