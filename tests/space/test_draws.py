"""100,000 draws of each distribution against the formulas of NNI and W&B."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from autofinetune.space import DiscreteParameter, Parameter, load_space

Array: TypeAlias = NDArray[np.float64]
Formula: TypeAlias = Callable[[Array], Array]
DRAWS = 100_000
UNLIKELY = 1e-4


def rounded(values: Array, q: float) -> Array:
    return np.asarray(np.round(values / q) * q)


def uniform(low: float, high: float) -> Formula:
    return lambda u: low + u * (high - low)


def log_uniform(low: float, high: float) -> Formula:
    return lambda u: np.exp(np.log(low) + u * (np.log(high) - np.log(low)))


def normal(mu: float, sigma: float) -> Formula:
    return lambda u: stats.norm.ppf(u, mu, sigma)


def log_normal(mu: float, sigma: float) -> Formula:
    return lambda u: np.exp(stats.norm.ppf(u, mu, sigma))


def beta(a: float, b: float) -> Formula:
    return lambda u: stats.beta.ppf(u, a, b)


def q(inner: Formula, quantum: float) -> Formula:
    return lambda u: rounded(inner(u), quantum)


def clipped(inner: Formula, low: float, high: float) -> Formula:
    return lambda u: np.clip(inner(u), low, high)


def listed(*values: float, weights: list[float] | None = None) -> Formula:
    edges = np.cumsum(weights) if weights else np.arange(1, len(values) + 1) / len(values)
    return lambda u: np.array(values)[np.searchsorted(edges[:-1], u, side="right")]


def nni(kind: str, value: Any) -> dict[str, Any]:
    return {"x": {"_type": kind, "_value": value}}


def sweep(**spec: Any) -> dict[str, Any]:
    return {"parameters": {"x": spec}}


def drawn(how: str, **spec: Any) -> dict[str, Any]:
    return sweep(distribution=how, **spec)


CASES: Mapping[str, tuple[dict[str, Any], Formula]] = {
    "choice": (nni("choice", [3, 1, 2]), listed(3, 1, 2)),
    "randint": (nni("randint", [-2, 5]), listed(-2, -1, 0, 1, 2, 3, 4)),
    "uniform": (nni("uniform", [-3, 5]), uniform(-3, 5)),
    "quniform": (nni("quniform", [0, 10, 2.5]), clipped(q(uniform(0, 10), 2.5), 0, 10)),
    "quniform_off": (nni("quniform", [2, 10, 5]), clipped(q(uniform(2, 10), 5), 2, 10)),
    "quniform_tie": (nni("quniform", [2.5, 7.5, 5]), clipped(q(uniform(2.5, 7.5), 5), 2.5, 7.5)),
    "quniform_wide": (nni("quniform", [1, 4, 10]), clipped(q(uniform(1, 4), 10), 1, 4)),
    "quniform_fine": (nni("quniform", [-1, 1, 0.1]), clipped(q(uniform(-1, 1), 0.1), -1, 1)),
    "loguniform": (nni("loguniform", [1e-5, 0.1]), log_uniform(1e-5, 0.1)),
    "qloguniform": (nni("qloguniform", [1, 100, 10]), clipped(q(log_uniform(1, 100), 10), 1, 100)),
    "normal": (nni("normal", [10, 3]), normal(10, 3)),
    "qnormal": (nni("qnormal", [0, 1, 0.5]), q(normal(0, 1), 0.5)),
    "lognormal": (nni("lognormal", [-1, 2]), log_normal(-1, 2)),
    "qlognormal": (nni("qlognormal", [0, 1, 1]), q(log_normal(0, 1), 1)),
    "layer_choice": (nni("layer_choice", [5, 7]), listed(5, 7)),
    "input_choice": (nni("input_choice", {"candidates": [5, 7, 9], "n_chosen": 1}),
                     listed(5, 7, 9)),
    "wandb_categorical": (sweep(values=[4, 2]), listed(4, 2)),
    "wandb_probabilities": (sweep(values=[4, 2, 9], probabilities=[0.2, 0.7, 0.1]),
                            listed(4, 2, 9, weights=[0.2, 0.7, 0.1])),
    "wandb_int_uniform": (sweep(min=1, max=4), listed(1, 2, 3, 4)),
    "wandb_uniform": (sweep(min=0.5, max=4), uniform(0.5, 4)),
    "wandb_q_uniform": (drawn("q_uniform", min=2, max=10, q=5), q(uniform(2, 10), 5)),
    "wandb_q_uniform_default": (drawn("q_uniform", min=0.2, max=4), q(uniform(0.2, 4), 1.0)),
    "wandb_log_uniform": (drawn("log_uniform", min=-9, max=-1),
                          log_uniform(np.exp(-9), np.exp(-1))),
    "wandb_log_uniform_values": (drawn("log_uniform_values", min=0.01, max=5),
                                 log_uniform(0.01, 5)),
    "wandb_q_log_uniform": (drawn("q_log_uniform", min=0, max=4),
                            q(log_uniform(1, np.exp(4)), 1.0)),
    "wandb_q_log_uniform_values": (drawn("q_log_uniform_values", min=256, max=8192, q=100),
                                   q(log_uniform(256, 8192), 100)),
    "wandb_inv_log_uniform": (drawn("inv_log_uniform", min=1, max=9),
                              lambda u: np.exp(-stats.uniform.ppf(1 - u, 1, 8))),
    "wandb_inv_log_uniform_values": (
        drawn("inv_log_uniform_values", min=0.01, max=5),
        lambda u: np.exp(-stats.uniform.ppf(1 - u, -np.log(5), np.log(5) - np.log(0.01))),
    ),
    "wandb_normal": (drawn("normal"), normal(0, 1)),
    "wandb_q_normal": (drawn("q_normal", mu=7, sigma=2, q=3), q(normal(7, 2), 3)),
    "wandb_log_normal": (drawn("log_normal", sigma=0.5), log_normal(0, 0.5)),
    "wandb_q_log_normal": (drawn("q_log_normal", mu=1, sigma=1), q(log_normal(1, 1), 1.0)),
    "wandb_beta": (drawn("beta", a=2, b=5), beta(2, 5)),
    "wandb_beta_default": (drawn("beta"), uniform(0, 1)),
    "wandb_q_beta": (drawn("q_beta", a=0.5, b=0.5, q=0.25), q(beta(0.5, 0.5), 0.25)),
}  # fmt: skip


def parameter_of(described: Mapping[str, Any]) -> Parameter:
    (parameter,) = load_space(described)
    return parameter


def decode(parameter: Parameter, points: Array) -> Array:
    """Return what `parameter.decode` returns, using cells if the parameter has them."""
    if not isinstance(parameter, DiscreteParameter):
        return np.array([parameter.decode(u) for u in points.tolist()])
    edges = [parameter.edge(index) for index in range(1, parameter.size)]
    values = np.array([_number(parameter, value) for value in parameter.values()])
    return np.asarray(values[np.searchsorted(edges, points, side="right")])


def _number(parameter: Parameter, value: Any) -> float:
    given = parameter.given(value)
    if isinstance(given, dict):  # of layers and inputs
        given = given["_value"]
    return float(given[0] if isinstance(given, list) else given)


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_distribution_of_the_formula(name: str) -> None:
    described, formula = CASES[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    parameter = parameter_of(described)
    ours, theirs = decode(parameter, rng.random(DRAWS)), formula(rng.random(DRAWS))
    if parameter.size is None:
        assert stats.ks_2samp(ours, theirs).pvalue > UNLIKELY
        return
    values, places = np.unique(np.concatenate([ours, theirs]).round(9), return_inverse=True)
    counts = np.array([np.bincount(half, minlength=len(values)) for half in np.split(places, 2)])
    often = counts.sum(axis=0) >= 20
    pooled = np.hstack([counts[:, often], counts[:, ~often].sum(axis=1, keepdims=True)])
    pooled = pooled[:, pooled.sum(axis=0) > 0]
    if pooled.shape[1] > 1:
        assert stats.chi2_contingency(pooled).pvalue > UNLIKELY
    # Apart from the outermost tails, both have the same values.
    assert (counts[:, often] > 0).all()


@pytest.mark.parametrize("name", CASES)
def test_a_coordinate_is_the_quantile_of_its_value(name: str) -> None:
    """The same u gives the same value, which is stronger than equal distributions."""
    described, formula = CASES[name]
    parameter = parameter_of(described)
    points = np.random.default_rng(5).random(1000)
    ours = np.array([_number(parameter, parameter.decode(u)) for u in points.tolist()])
    assert np.allclose(ours, decode(parameter, points), rtol=1e-12)
    assert np.allclose(ours, formula(points), rtol=1e-9, atol=1e-12)


def test_end_points_that_are_clipped_to_have_half_the_mass_or_what_is_left() -> None:
    def shares(described: Mapping[str, Any]) -> dict[Any, float]:
        parameter = parameter_of(described)
        assert isinstance(parameter, DiscreteParameter)
        edges = [parameter.edge(index) for index in range(parameter.size + 1)]
        return dict(zip(parameter.values(), np.diff(edges).round(6).tolist(), strict=True))

    assert shares(nni("quniform", [0, 10, 2.5])) == {
        0.0: 0.125, 2.5: 0.25, 5.0: 0.25, 7.5: 0.25, 10.0: 0.125,
    }  # fmt: skip
    assert shares(nni("quniform", [2, 10, 5])) == {2.0: 0.0625, 5.0: 0.625, 10.0: 0.3125}
    assert shares(drawn("q_uniform", min=2, max=10, q=5)) == {0: 0.0625, 5: 0.625, 10: 0.3125}
    logarithmic = shares(nni("qloguniform", [1, 100, 10]))
    assert [logarithmic[value] for value in (1.0, 10.0, 100.0)] == [0.349485, 0.238561, 0.011138]
    zero = shares(nni("qlognormal", [0, 1, 1]))[0.0]
    assert zero == pytest.approx(stats.norm.cdf(np.log(0.5)), abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_first_value_that_is_tried_is_in_the_middle(name: str) -> None:
    described, formula = CASES[name]
    parameter = parameter_of(described)
    first = _number(parameter, parameter.init)
    middle = 0.0 if parameter.type_name == "choice" else 0.5
    assert np.isclose(first, formula(np.array([middle + 1e-12]))[0], rtol=1e-6, atol=1e-9)
