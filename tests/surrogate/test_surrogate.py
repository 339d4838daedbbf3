"""The Gaussian process and what is chosen by it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.stats import norm

from autofinetune.surrogate import Features, Screen, fit
from autofinetune.surrogate.gp import _negative_log_posterior, condition
from autofinetune.surrogate.screen import log_expected_improvement, standardized
from tests.helpers import space_of


def smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sin(3 * x[:, 0]) + x[:, 1] ** 2)


def test_the_gradient_of_the_posterior_is_right() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((12, 3)), rng.standard_normal(12)
    squares = (x[:, None, :] - x[None, :, :]) ** 2
    args = (squares, y, np.zeros(5), np.ones(5))
    for theta in (np.zeros(5), np.array([-1.0, 0.5, 0.2, 0.3, -3.0])):
        error = check_grad(
            lambda t: _negative_log_posterior(t, *args)[0],
            lambda t: _negative_log_posterior(t, *args)[1],
            theta,
        )
        assert error < 1e-4


def test_it_interpolates_and_is_unsure_far_away() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((40, 2))
    y = smooth(x)
    gp = fit(x, (y - y.mean()) / y.std())
    mean, deviation = gp.predict(x)
    assert np.abs(mean * y.std() + y.mean() - y).max() < 0.05
    _, far = gp.predict(np.array([[5.0, 5.0]]))
    assert far[0] > 5 * deviation.max()
    new = rng.random((50, 2))
    predicted, _ = gp.predict(new)
    assert np.abs(predicted * y.std() + y.mean() - smooth(new)).mean() < 0.05


def test_noise_is_not_followed() -> None:
    rng = np.random.default_rng(2)
    x = rng.random((80, 1))
    y = 2 * x[:, 0] + 0.3 * rng.standard_normal(80)
    gp = fit(x, (y - y.mean()) / y.std())
    mean, _ = gp.predict(np.array([[0.2], [0.8]]))
    assert mean[1] - mean[0] == pytest.approx(1.2 / y.std(), rel=0.25)


def test_a_pending_point_takes_uncertainty_away() -> None:
    x, y = np.array([[0.1], [0.9]]), np.array([0.5, -0.5])
    theta = np.array([np.log(0.3), 0.0, np.log(1e-4)])
    before = condition(x, y, theta).predict(np.array([[0.5]]))
    after = condition(np.vstack([x, [[0.5]]]), np.append(y, before[0]), theta)
    assert after.predict(np.array([[0.5]]))[1][0] < 0.1 * before[1][0]


@pytest.mark.parametrize("mean", [-30.0, -5.0, -1.0, 0.0, 0.5, 3.0])
def test_log_expected_improvement_is_its_integral(mean: float) -> None:
    deviation, best = 0.7, 0.4
    value = log_expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
    assert np.isfinite(value)
    if mean > -5.0:
        integral, _ = quad(lambda f: (f - best) * norm.pdf(f, mean, deviation), best, best + 15)
        assert value == pytest.approx(np.log(integral), rel=1e-5)


def test_log_expected_improvement_rises_with_the_mean_everywhere() -> None:
    means = np.linspace(-2000.0, 5.0, 4001)
    values = log_expected_improvement(means, np.ones_like(means), 0.0)
    assert np.all(np.diff(values) > 0)


def test_scores_are_standardised_and_failures_are_the_worst() -> None:
    scores = standardized(np.array([1.0, 2.0, np.nan, 3.0, -1e9]))
    assert scores.mean() == pytest.approx(0)
    assert scores.std() == pytest.approx(1)
    assert scores[2] == scores[4] == scores.min()
    assert scores[3] == scores.max()
    assert (standardized(np.array([np.nan, np.nan])) == 0).all()
    assert (standardized(np.array([2.0, 2.0])) == 0).all()


def test_points_of_one_configuration_have_one_feature() -> None:
    features = Features(space_of("float", "small", "choice", "log"))
    points = np.array([[0.3, 0.01, 0.1, 0.5], [0.3, 0.32, 0.4, 0.5]])
    one, other = features(points)
    assert (one == other).all()
    assert features(points).shape == (2, 5)


def test_the_screen_prefers_the_region_of_good_trials() -> None:
    rng = np.random.default_rng(3)
    screen = Screen(space_of("float", "float"))
    points = rng.random((30, 2))
    screen.add(points, -((points - 0.6) ** 2).sum(axis=1))
    screen.begin()
    chosen = list(rng.random((500, 2)))
    first = chosen[screen.choose(np.array(chosen))]
    assert np.abs(first - 0.6).max() < 0.2
    second = chosen[screen.choose(np.array(chosen))]
    assert (first != second).any()


def test_a_thousand_trials_are_reduced_to_the_best_and_the_newest() -> None:
    rng = np.random.default_rng(4)
    screen = Screen(space_of("float", "float"))
    points = rng.random((1000, 2))
    screen.add(points, -((points - 0.6) ** 2).sum(axis=1))
    chosen, merits = screen._training_set()
    assert len(chosen) == 300
    assert merits.max() == max(screen._merits)
    assert (chosen[-1] == points[-1]).all()
    screen.begin()
    assert np.isfinite(screen.log_improvement(points[:5])).all()
