"""Parameters drawn from distributions, and multiples with their cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autofinetune.space.distributions import Beta, Distribution, Normal, Uniform
from autofinetune.space.parameters import DrawnParameter, QuantizedParameter
from tests.space.round_trips import bounds, quanta

untimed = settings(deadline=None)
units = st.floats(0.0, 1.0)


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    kind = draw(st.sampled_from(["uniform", "log", "normal", "lognormal", "beta"]))
    if kind == "beta":
        return Beta(draw(st.floats(0.2, 20)), draw(st.floats(0.2, 20)))
    if "normal" in kind:
        deviation = draw(st.floats(0.01, 3))
        return Normal(draw(st.floats(-10, 10)), deviation, log=kind == "lognormal")
    return Uniform(*draw(bounds(positive=kind == "log")), log=kind == "log")


@st.composite
def quantized(draw: st.DrawFn) -> QuantizedParameter:
    distribution = draw(distributions())
    clip = isinstance(distribution, Uniform) and draw(st.booleans())
    return QuantizedParameter("x", distribution, draw(quanta(*distribution.ends)), clip, 0.0)


@untimed
@given(distributions(), units, units)
def test_quantiles_grow_and_shares_turn_them_back(
    distribution: Distribution, u: float, v: float
) -> None:
    u, v = sorted((u, v))
    low, high = distribution.quantile(u), distribution.quantile(v)
    assert distribution.ends[0] <= low <= high <= distribution.ends[1]
    inner = min(max(u, 1e-6), 1 - 1e-6)
    if distribution.ends[0] < low < distribution.ends[1]:
        assert distribution.share(low) == pytest.approx(inner, abs=2e-6)


@pytest.mark.parametrize(
    ("distribution", "low", "high"),
    [
        (Normal(0.0, 1.0), -4.753424308822899, 4.753424308822899),
        (Normal(0.0, 1.0, log=True), math.exp(-4.753424308822899), math.exp(4.753424308822899)),
        (Uniform(2.0, 8192.0, log=True), 2.0, 8192.0),
        (Beta(2.0, 3.0), 0.0, 1.0),
    ],
)
def test_the_ends(distribution: Distribution, low: float, high: float) -> None:
    assert distribution.ends == pytest.approx((low, high), rel=1e-9)
    for outside in (-1.0, -math.inf):
        assert distribution.quantile(outside) == distribution.quantile(0.0)
    assert distribution.quantile(2.0) == distribution.quantile(1.0)
    below, above = distribution.ends[0] - 1.0, distribution.ends[1] + 1.0
    assert 0.0 <= distribution.share(below) <= 2e-6
    assert 1.0 - 2e-6 <= distribution.share(above) <= 1.0 or distribution.ends[1] > 100


@untimed
@given(quantized(), units)
@example(QuantizedParameter("x", Beta(1.0, 10.0), 1.5, False, 0.0), 1.0)
def test_every_multiple_owns_its_cell(parameter: QuantizedParameter, u: float) -> None:
    value = parameter.decode(u)
    index = parameter.index(value)
    assert parameter.cell(u) == index
    assert parameter.at(index) == value
    width = parameter.edge(index + 1) - parameter.edge(index)
    tail = 1e-6 if isinstance(parameter.distribution, Normal) else 0.0  # the others are bounded
    assert parameter.edge(index) - 1e-12 <= min(max(u, tail), 1 - tail) or width < 1e-12
    if width > 1e-12:
        assert parameter.decode(parameter.encode(value)) == value
    low, high = parameter.distribution.ends
    if parameter.clip:
        assert low <= value <= high
    else:
        multiple = value / parameter.quantum
        assert multiple == pytest.approx(round(multiple), abs=1e-6)
        assert low - parameter.quantum <= value <= high + parameter.quantum


@untimed
@given(quantized())
def test_the_cells_fill_the_interval(parameter: QuantizedParameter) -> None:
    if parameter.size > 3000:
        return
    edges = [parameter.edge(index) for index in range(parameter.size + 1)]
    assert (np.diff(edges) > -1e-12).all()  # very unlikely edges may round to equal numbers
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    values = parameter.values()
    assert len(set(values)) == parameter.size == len(values)
    assert [parameter.decode(0.0), parameter.decode(1.0)] == [values[0], values[-1]]
    inner = np.random.default_rng(0).random(20).tolist()
    assert [parameter.cell(u) for u in inner] == [
        int(cell) for cell in np.searchsorted(edges[1:-1], inner, side="right")
    ]


def test_multiples_are_exact_decimals_of_their_type() -> None:
    tenths = QuantizedParameter("x", Uniform(0.0, 0.5), 0.1, clip=True, init=0.1)
    assert tenths.values() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    whole = QuantizedParameter("x", Uniform(0.0, 9.0), 4.0, clip=False, init=0, type_name="int")
    assert [repr(value) for value in whole.values()] == ["0", "4", "8"]
    assert whole.describe()["round_to"] == 4
    assert repr(whole.parse("4")) == "4"
    assert repr(tenths.parse("0.3")) == "0.3"


def test_a_bound_in_the_middle_of_two_multiples_has_no_cell_for_the_far_one() -> None:
    parameter = QuantizedParameter("x", Uniform(2.5, 7.5), 5.0, clip=True, init=5.0)
    assert parameter.values() == [5.0]
    assert [parameter.decode(u) for u in (0.0, 0.5, 1.0)] == [5.0] * 3


@pytest.mark.parametrize("value", [0.25, 11.0, -1.0, True, None, "1", math.nan, math.inf, 10**400])
def test_what_is_no_multiple_in_the_range_is_refused(value: object) -> None:
    parameter = QuantizedParameter("x", Uniform(0.0, 10.0), 2.5, clip=True, init=5.0)
    with pytest.raises(ValueError, match="is not a value of x"):
        parameter.encode(value)  # type: ignore[arg-type]


def test_neighbours_are_one_multiple_away() -> None:
    parameter = QuantizedParameter("x", Uniform(2.0, 10.0), 5.0, clip=True, init=5.0)
    found = [[parameter.decode(v) for v in parameter.neighbours(u)] for u in (0.0, 0.5, 1.0)]
    assert found == [[5.0], [2.0, 10.0], [5.0]]


def test_any_number_has_a_place_in_a_distribution() -> None:
    parameter = DrawnParameter("x", Normal(0.0, 1.0), 0.0)
    assert parameter.encode(0) == 0.5
    assert parameter.encode(100.0) == 1.0
    for value in (True, None, "1", math.nan, math.inf):
        with pytest.raises(ValueError, match="is not a value of x"):
            parameter.encode(value)
    assert DrawnParameter("x", Normal(0.0, 1.0, log=True), 1.0).encode(-3.0) == 0.0
    assert parameter.size is None
    assert parameter.neighbours(0.5) == []
