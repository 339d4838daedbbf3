"""The Gaussian process and its choices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.stats import norm

from autofinetune.space import Space, load_space
from autofinetune.strategies.population import NOISY
from autofinetune.surrogate import (
    Features,
    OrderedFeatures,
    Screen,
    fit,
    log_improvement,
    log_probability,
    uncertainty,
    upper_bound,
)
from autofinetune.surrogate.gp import _negative_log_posterior, condition
from autofinetune.surrogate.screen import (
    MOST_TRIALS,
    most_telling,
    standardized,
)
from autofinetune.surrogate.utility import Utility, log_expected_improvement
from tests.helpers import conditional_space, space_of


def smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sin(3 * x[:, 0]) + x[:, 1] ** 2)


def test_the_gradient_of_the_posterior_is_right() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((12, 3)), rng.standard_normal(12)
    pairs = np.tril_indices(12, -1)
    squares = (x[pairs[0]] - x[pairs[1]]) ** 2
    args = (pairs, squares, y, np.zeros(5), np.ones(5))
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
    proposals = rng.random((500, 2))
    first = screen.pick(proposals)
    assert np.abs(first - 0.6).max() < 0.2
    before = screen.promise(first[None, :])
    screen.begin(first[None, :])
    assert (screen.promise(first[None, :]) < before).all()
    assert (screen.pick(proposals) != first).any()


def test_hyperparameters_are_fitted_every_so_many_results_whenever_it_is_asked() -> None:
    points = np.random.default_rng(3).random((23, 2))
    early, late = (Screen(space_of("float", "float")) for _ in range(2))
    for count, point in enumerate(points):
        for screen in (early, late):
            screen.add(point[None, :], valley(point[None, :]))
        if count > 7:
            early.begin(points[:1], period=5)
    late.begin(points[:1], period=5)
    assert (early.promise(points) == late.promise(points)).all()
    fitted_to_all = Screen(space_of("float", "float"))
    fitted_to_all.add(points, valley(points))
    fitted_to_all.begin(points[:1])
    assert (fitted_to_all.promise(points) != late.promise(points)).any()


def test_a_thousand_trials_are_reduced_to_the_best_and_the_newest() -> None:
    rng = np.random.default_rng(4)
    screen = Screen(space_of("float", "float"))
    points = rng.random((1000, 2))
    merits = -((points - 0.6) ** 2).sum(axis=1)
    screen.add(points, merits)
    chosen = most_telling(merits, MOST_TRIALS)
    assert len(chosen) == MOST_TRIALS
    assert merits[chosen].max() == merits.max()
    assert chosen[-1] == 999
    screen.begin()
    assert np.isfinite(screen.promise(points[:5])).all()


def test_old_trials_that_say_nothing_more_are_forgotten() -> None:
    rng = np.random.default_rng(4)
    points = rng.random((5000, 2))
    screen = Screen(space_of("float", "float"))
    for place in range(0, 5000, 7):
        part = points[place : place + 7]
        screen.add(part, valley(part))
    assert len(screen) == 5000
    assert len(screen._merits) <= 3000
    assert (screen.best_point() == points[int(np.argmax(valley(points)))]).all()
    screen.begin(period=64)
    assert (screen._points[-1] == points[-1]).all()
    assert np.isfinite(screen.promise(points[:5])).all()


def valley(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-((points[:, :2] - 0.6) ** 2).sum(axis=1))


def fitted(space: Space, count: int = 25) -> Screen:
    rng = np.random.default_rng(5)
    screen = Screen(space)
    points = rng.random((count, space.dim))
    screen.add(points, valley(points))
    screen.begin()
    return screen


def test_slopes_are_those_of_the_values() -> None:
    screen = fitted(space_of("float", "log", "choice"))
    x = screen._features(np.random.default_rng(6).random((6, 3)))
    for demand in (0.0, 0.2):
        screen.demand(demand)
        _, slope = screen._slope(x)
        for column in range(2):
            step = np.zeros(x.shape[1])
            step[column] = 1e-5
            difference = (screen._slope(x + step)[0] - screen._slope(x - step)[0]) / 2e-5
            assert slope[:, column] == pytest.approx(difference, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    "kinds", [("float", "float"), ("float", "float", "small", "choice"), ("small", "choice")]
)
def test_climbing_never_goes_down_nor_out_of_the_box(kinds: tuple[str, ...]) -> None:
    space = space_of(*kinds)
    screen = fitted(space)
    starts = np.random.default_rng(7).random((8, space.dim))
    found = screen.climb(starts)
    assert found.shape == starts.shape
    assert ((found >= 0.0) & (found <= 1.0)).all()
    assert (screen.promise(found) >= screen.promise(starts)).all()
    low, high = np.full(space.dim, 0.2), np.full(space.dim, 0.3)
    inside = screen.climb(0.2 + 0.1 * starts, low, high)
    moved = screen._features.smooth
    assert ((inside >= 0.2 - 1e-9) & (inside <= 0.3 + 1e-9))[:, moved].all()


def test_the_higher_the_demand_the_further_away_is_what_promises() -> None:
    screen = fitted(space_of("float", "float"), 6)
    distances = []
    for demand in (0.0, 1.0):
        screen.demand(demand)
        found = screen.climb(np.random.default_rng(8).random((20, 2)))
        best = found[int(np.argmax(screen.promise(found)))]
        distances.append(float(np.linalg.norm(best - 0.6)))
    assert distances[0] < distances[1]


def test_what_is_not_active_has_no_influence() -> None:
    space = conditional_space()
    features, rng = Features(space), np.random.default_rng(13)
    one, other = rng.random((2, 200, space.dim))
    active = features.active(one)
    assert active.tolist() == [list(space.active(point)) for point in one]
    mixed = np.where(active, one, other)
    assert (features(mixed) == features(one)).all()
    assert (features.settled(mixed) == features.settled(one)).all()
    settled = [space.encode(space.decode(point)) for point in features.settled(one)]
    assert np.abs(features(np.array(settled)) - features(one)).max() < 1e-9
    for point in one[:20]:
        beside = features.neighbours(point)
        assert all(space.decode(there) != space.decode(point) for there in beside)
    screen = fitted(space)
    found = screen.climb(one[:20])
    here = features.active(found)
    still = ~here & ~active[:20]
    assert (found[still] == one[:20][still]).all()
    assert not (found == one[:20]).all()


def test_neighbours_differ_in_one_discrete_parameter() -> None:
    space = space_of("float", "small", "choice")
    features = Features(space)
    for point in np.random.default_rng(9).random((10, 3)):
        here = space.decode(point)
        beside = [space.decode(other) for other in features.neighbours(point)]
        assert all(sum(a[name] != here[name] for name in here) == 1 for a in beside)
        choices = {a[space.parameters[2].name] for a in beside}
        assert len(choices) == space.parameters[2].size


def test_cells_of_logarithmic_integers_are_those_of_the_parameter() -> None:
    space = load_space(
        {
            "param_list": [
                {"name": "n", "type": "int", "init_value": 2, "log": True}
                | {"greater_than": 1, "lower_than": 20}
            ]
        }
    )
    points = np.random.default_rng(10).random((200, 1))
    middles = [space.encode(space.decode(point))[0] for point in points]
    assert Features(space)(points)[:, 0] == pytest.approx(middles)


def test_cells_of_all_kinds_are_those_of_the_parameter() -> None:
    spec = {"values": ["a", "b", "c"], "probabilities": [0.7, 0.2, 0.1]}
    space = load_space(
        {
            "parameters": {
                "c": spec,
                "q": {"distribution": "q_uniform", "min": 2, "max": 10, "q": 3},
                "n": {"distribution": "q_log_normal", "q": 2},
                "k": {"distribution": "normal"},
            }
        }
    )
    features = Features(space)
    points = np.random.default_rng(10).random((300, 4))
    settled = [space.encode(space.decode(point)) for point in points]
    few = [0, 1, 2, 3, 5]  # n has so many values that it is treated as continuous
    expected = features(np.array(settled))[:, few]
    assert features(points)[:, few] == pytest.approx(expected, abs=1e-9)
    assert len(np.unique(features(points)[:, :3], axis=0)) == 3
    assert features.smooth.tolist() == [False, False, True, True]


def test_a_choice_with_weights_decides_what_is_active() -> None:
    space = load_space(
        {
            "param_list": [
                {"name": "c", "type": "choice", "choices": [1, 2], "probabilities": [0.9, 0.1]},
                {"name": "x", "type": "choice", "choices": [3, 4], "only_if": {"c": 1}},
            ]
        }
    )
    points = np.random.default_rng(10).random((100, 2))
    active = Features(space).active(points)
    assert active.tolist() == [list(space.active(point)) for point in points]
    assert active[:, 1].sum() > 75


def test_noise_is_noticed_and_the_incumbent_is_the_best_in_the_mean() -> None:
    rng = np.random.default_rng(11)
    points = rng.random((60, 2))
    noises = []
    for spread in (0.0, 0.3):
        screen = Screen(space_of("float", "float"))
        screen.add(points, valley(points) + spread * rng.standard_normal(60))
        screen.begin()
        noises.append(screen.noise)
    assert noises[0] < NOISY < noises[1]
    assert np.abs(screen.incumbent() - 0.6).max() < 0.35


def test_an_earlier_run_counts_as_far_as_it_is_alike() -> None:
    rng = np.random.default_rng(12)
    space, known = space_of("float", "float"), rng.random((40, 2))
    points = np.vstack([known[:3], rng.random((3, 2))])
    errors = []
    for earlier in (None, 5.0 * valley(known) - 3.0, -valley(known)):
        screen = Screen(space)
        if earlier is not None:
            screen.add_source(known, earlier)
        screen.add(points, valley(points))
        screen.begin()
        assert screen._gp is not None
        found = rng.random((400, 2))
        mean, _ = screen._gp.predict(screen._own(found))
        errors.append(float(np.linalg.norm(found[int(np.argmax(mean))] - 0.6)))
    assert errors[1] < 0.15
    assert errors[1] <= errors[0]


# --- other kernels and utilities ----------------------------------------------------------------


@pytest.mark.parametrize("nu", [0.5, 1.5])
def test_other_kernels_have_the_right_gradients(nu: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((12, 2))
    y = smooth(x)
    pairs = np.tril_indices(12, -1)
    squares = (x[pairs[0]] - x[pairs[1]]) ** 2
    prior, spread = np.array([0.0, 0.0, 0.0, -6.0]), np.ones(4)

    def posterior(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        return _negative_log_posterior(theta, pairs, squares, y, prior, spread, nu)

    for theta in rng.normal(-0.5, 0.5, (4, 4)):
        difference = check_grad(lambda t: posterior(t)[0], lambda t: posterior(t)[1], theta)
        assert difference < 1e-4 * (1 + np.abs(posterior(theta)[1]).max())


def test_noise_that_is_known_is_not_fitted() -> None:
    x = np.random.default_rng(0).random((15, 2))
    y = smooth(x)
    assert fit(x, y, noise=0.3).theta[-1] == pytest.approx(np.log(0.3))
    assert fit(x, y).theta[-1] != pytest.approx(np.log(0.3))


@pytest.mark.parametrize(
    "utility", [log_improvement, log_probability, upper_bound(2.0), uncertainty]
)
def test_the_derivatives_of_a_utility_are_its_own(utility: Utility) -> None:
    best, step = 0.4, 1e-6
    mean, deviation = np.array([-2.0, 0.1, 0.5, 3.0]), np.array([0.2, 1.0, 0.5, 2.0])
    _, by_z, by_log = utility(mean, deviation, best)

    def at(z_step: float, log_step: float) -> NDArray[np.float64]:
        z = (mean - best) / deviation + z_step
        other = deviation * np.exp(log_step)
        return utility(best + z * other, other, best)[0]

    assert by_z == pytest.approx((at(step, 0) - at(-step, 0)) / 2 / step, rel=1e-4, abs=1e-6)
    assert by_log == pytest.approx((at(0, step) - at(0, -step)) / 2 / step, rel=1e-4, abs=1e-6)


def test_the_covariance_and_the_surprise_are_those_of_the_process() -> None:
    x = np.random.default_rng(0).random((10, 2))
    y = smooth(x)
    gp = fit(x, (y - y.mean()) / y.std(), noise=0.01)
    at = np.random.default_rng(1).random((3, 2))
    covariance = gp.covariance(at, at)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(gp.predict(at)[1])
    assert covariance == pytest.approx(covariance.T)
    wrong = (y - y.mean()) / y.std()
    wrong[4] += 5.0
    assert int(np.argmax(np.abs(condition(x, wrong, gp.theta).surprise()))) == 4


def test_what_is_unknown_and_good_is_worth_most_to_know() -> None:
    screen = Screen(space_of("float"), length=0.1)
    points = np.array([[0.0], [0.1], [0.2], [0.7], [0.8], [0.9]])
    screen.add(points, np.sin(9 * points[:, 0]))
    screen.begin()
    known, unknown = (screen.gain(np.array([u]), points) for u in (0.8, 0.45))
    assert 0.0 <= known < 0.01 < unknown


def test_a_choice_among_numbers_is_seen_in_their_order() -> None:
    entry = {"name": "size", "type": "choice", "choices": [512, 32, 1024, 64], "init_value": 64}
    words = {"name": "kind", "type": "choice", "choices": ["a", "b", "c"]}
    space = load_space({"param_list": [entry, words]})
    ordered, plain = OrderedFeatures(space), Features(space)
    points = np.array([space.encode({"size": size, "kind": "b"}) for size in (32, 64, 512, 1024)])
    assert ordered(points)[:, 0] == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert (ordered(points)[:, 1:4] == 0).all()
    assert (ordered(points)[:, 4:] == plain(points)[:, 4:]).all()
