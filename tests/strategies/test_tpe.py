"""The estimators of TPE."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from autofinetune.strategies.history import Seen
from autofinetune.strategies.tpe import TPE, Mixture
from tests.helpers import space_of


def tpe(**options: object) -> TPE:
    return TPE(space_of("float", "choice"), 3, 0, options=options)


def test_the_good_trials_are_few_and_in_the_order_of_time() -> None:
    merits = np.array([0.0, 9.0, -np.inf, 7.0, 8.0, *np.zeros(20)])
    seen = Seen(np.arange(25.0), merits, np.arange(25))
    good, bad = tpe(gamma=0.5)._split(seen)  # ceil(0.5 * 5)
    assert good.tolist() == [1.0, 3.0, 4.0]
    assert len(bad) == 22
    assert len(tpe(gamma=9.0, linear_forgetting=7)._split(seen)[0]) == 7


def test_old_trials_weigh_less() -> None:
    weights = tpe(linear_forgetting=3)._weights(5)
    assert weights.tolist() == [0.2, 1.0, 1.0, 1.0, 1.0]
    assert tpe()._weights(4).tolist() == [1.0] * 4


def test_the_width_of_a_trial_is_the_larger_gap_beside_it() -> None:
    mixture = tpe(prior_weight=2.0)._mixture(np.array([0.9, 0.1]))
    assert mixture.means.tolist() == [0.9, 0.1, 0.5]
    assert mixture.deviations == pytest.approx([0.4, 0.4, 1.0])
    assert mixture.weights == pytest.approx([0.25, 0.25, 0.5])
    close = tpe()._mixture(np.array([0.3, 0.3, 0.3]))
    assert close.deviations[1] == pytest.approx(1 / 5)  # no narrower
    many = tpe()._mixture(np.full(200, 0.3))
    assert many.deviations.min() == pytest.approx(1 / 20)  # never


def test_draws_follow_the_density_within_the_bounds() -> None:
    mixture = Mixture(np.array([0.5, 0.5]), np.array([0.0, 0.8]), np.array([0.3, 0.1]))
    drawn = mixture.draw(4000, np.random.default_rng(0))
    assert 0.0 <= drawn.min() <= drawn.max() <= 1.0

    def density(x: float) -> float:
        return float(np.exp(mixture.log_density(np.array([x]))[0]))

    whole = quad(density, 0, 1)[0]
    for low, high in [(0.0, 0.2), (0.2, 0.6), (0.7, 0.9)]:
        share = ((drawn >= low) & (drawn < high)).mean()
        assert share == pytest.approx(quad(density, low, high)[0] / whole, abs=0.03)


def test_choices_go_by_how_often_they_were_good() -> None:
    strategy = tpe()
    parameter = strategy.space.parameters[1]
    values = np.array([0.25, 0.75])
    assert strategy._shares(values, np.array([0.25, 0.25, 0.75])).tolist() == [0.6, 0.4]
    good, bad = np.array([0.75] * 5), np.array([0.25] * 20)
    chosen = [
        strategy._choice(parameter, good, bad, np.random.default_rng(seed)) for seed in range(5)
    ]
    assert set(chosen) == {0.75}


@pytest.mark.parametrize("options", [{"n_startup_jobs": 1}, {"gamma": 1e6}])
def test_the_search_goes_on_while_no_trial_is_bad(options: dict[str, float]) -> None:
    strategy = tpe(**options)
    for number in range(30):
        (candidate,) = strategy.ask(1)
        strategy.tell(candidate, float(number))


def test_running_trials_are_lied_about() -> None:
    """Good assumed results attract new draws to the running trials, bad ones repel them."""
    near = {}
    for kind in ("min", "max", "none"):
        strategy = tpe(constant_liar_type=kind, n_startup_jobs=1, optimize_mode="maximize")
        for number in range(30):
            (candidate,) = strategy.ask(1)
            strategy.tell(candidate, 1.0 if number == 3 else 0.0)
        near[kind] = [candidate.point for candidate in strategy.ask(30)]
    assert near["min"] != near["max"]
    assert near["min"] != near["none"] != near["max"]

    def crowd(points: list[tuple[float, ...]]) -> float:
        return float(np.std([point[0] for point in points]))

    assert crowd(near["max"]) < crowd(near["min"])
