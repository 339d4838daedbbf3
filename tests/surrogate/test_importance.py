"""Functional analysis of variance, against functions of which it is known exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from autofinetune.space import load_space
from autofinetune.surrogate import Features, fit
from autofinetune.surrogate.drawn import Draws
from autofinetune.surrogate.importance import Array, effects, levels_of, pair_effect
from benchmarks import importance as known
from tests.helpers import conditional_space, space_of


def single(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda points: function(points)[:, None]


def test_the_shares_of_a_known_function_are_found() -> None:
    space = space_of("float", "float", "float")
    found = effects(space, single(known.ishigami), seed=0)
    assert found.main[:, 0] == pytest.approx([0.314, 0.442, 0.0], abs=0.02)
    assert found.total[:, 0] == pytest.approx([0.558, 0.442, 0.244], abs=0.03)
    assert found.variance[0] == pytest.approx(13.84, rel=0.05)


def test_the_interaction_of_a_pair_is_found() -> None:
    space = space_of("float", "float", "float")
    functions = single(known.ishigami)
    variance = effects(space, functions, seed=0).variance
    assert pair_effect(space, functions, 0, 2, variance, 0).share[0] == pytest.approx(
        0.24, abs=0.04
    )
    assert pair_effect(space, functions, 0, 1, variance, 0).share[0] == pytest.approx(
        0.0, abs=0.01
    )


def test_cells_count_by_their_width() -> None:
    choice = {"name": "c", "type": "choice", "choices": ["a", "b"], "probabilities": [0.9, 0.1]}
    space = load_space({"param_list": [choice]})
    (parameter,) = space
    assert levels_of(parameter).weights == pytest.approx([0.9, 0.1])
    found = effects(space, lambda points: (points > 0.9).astype(float), seed=0)
    assert found.variance[0] == pytest.approx(0.09)
    assert found.main[0, 0] == pytest.approx(1.0)


def test_an_inactive_parameter_has_no_effect_where_it_is_inactive() -> None:
    """Momentum matters with sgd only, which is a third of the space."""
    space = conditional_space()
    features = Features(space)
    momentum = int(features.columns[1])
    found = effects(space, lambda points: features(points)[:, momentum : momentum + 1], seed=0)
    assert found.main[1, 0] == pytest.approx(1 / 3, abs=0.05)
    assert found.total[1, 0] == pytest.approx(1.0, abs=0.05)
    assert found.main[[2, 3, 4], 0] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)


def test_draws_have_the_mean_and_spread_of_the_posterior() -> None:
    space = space_of("float", "choice")
    features = Features(space)
    rng = np.random.default_rng(0)
    points = rng.random((25, 2))
    y = np.sin(5 * points[:, 0]) + (points[:, 1] > 0.5) + 0.1 * rng.standard_normal(25)
    gp = fit(features(points), (y - y.mean()) / y.std())
    x = features(rng.random((200, 2)))
    values = Draws(gp, 400, seed=1)(x)
    mean, deviation = gp.predict(x)
    assert values[:, 0] == pytest.approx(mean)
    assert np.abs(values[:, 1:].mean(axis=1) - mean).max() < 0.25 * deviation.max()
    assert np.median(values[:, 1:].std(axis=1) / deviation) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("name", ["additive", "sobol_g"])
def test_optuna_finds_the_same_importance(name: str) -> None:
    """Both see the same trials; ours must not be further from the truth than optuna's is."""
    pytest.importorskip("optuna", reason="optuna is not installed")
    ours, theirs, _ = known.compared(known.tasks()[name], trials=80, noise=0.0, seed=0)
    assert ours.max() < 0.1
    assert ours.mean() <= theirs.mean() + 0.02
    assert theirs.max() < 0.25
