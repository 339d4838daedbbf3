"""Values and their cells in the unit interval."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.space.parameters import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    SteppedFloatParameter,
    Value,
    as_text,
)

LARGEST = 1.7976931348623157e308
EXTREMES = [-LARGEST, -1e308, -1.0, -1e-308, 0.0, 1e-323, 1e-308, 1e-12, 1.0, 1e308, LARGEST]
EXTREME_RANGES = [
    (low, high, log)
    for low, high in itertools.combinations(EXTREMES, 2)
    for log in ([False, True] if low > 0 else [False])
]

untimed = settings(deadline=None)
units = st.floats(0.0, 1.0)
small_ints = st.integers(-1000, 1000)


@st.composite
def int_parameters(draw: st.DrawFn) -> IntParameter:
    low, width = draw(small_ints), draw(st.integers(1, 60))
    step = draw(st.integers(1, width))
    return IntParameter("n", low, low + width, low, step=step)


@st.composite
def log_int_parameters(draw: st.DrawFn, most: int = 10**12) -> IntParameter:
    low = draw(st.integers(1, most - 1))
    return IntParameter("n", low, draw(st.integers(low + 1, most)), low, log=True)


@st.composite
def stepped_parameters(draw: st.DrawFn) -> SteppedFloatParameter:
    digits = draw(st.integers(0, 6))
    low, step, count = draw(small_ints), draw(st.integers(1, 50)), draw(st.integers(2, 60))
    beside = draw(st.integers(0, step - 1))
    low_, high, step_ = (
        float(Decimal(n).scaleb(-digits)) for n in (low, low + step * (count - 1) + beside, step)
    )
    return SteppedFloatParameter("x", low_, high, low_, step_)


@st.composite
def float_parameters(draw: st.DrawFn) -> FloatParameter:
    log = draw(st.booleans())
    bounds = st.floats(5e-324 if log else -LARGEST, LARGEST)
    low, high = sorted(draw(st.lists(bounds, min_size=2, max_size=2, unique=True)))
    return FloatParameter("x", low, high, low, log)


def coordinates(cells: int, per_cell: int) -> list[float]:
    """The middles of `cells * per_cell` equally wide pieces of [0, 1]."""
    pieces = cells * per_cell
    return [(2 * index + 1) / (2 * pieces) for index in range(pieces)]


# --- ints ---------------------------------------------------------------------------------------


@untimed
@given(int_parameters())
def test_every_int_is_equally_likely(parameter: IntParameter) -> None:
    drawn = Counter(parameter.decode(u) for u in coordinates(parameter.size, per_cell=7))
    assert list(drawn) == parameter.values()
    assert set(drawn.values()) == {7}


@untimed
@given(int_parameters(), units)
def test_the_cells_of_ints_have_exactly_equal_width(parameter: IntParameter, u: float) -> None:
    index = (parameter.decode(u) - parameter.low) // parameter.step
    left, right = Fraction(index, parameter.size), Fraction(index + 1, parameter.size)
    assert left - Fraction(1, 10**15) <= Fraction(u) <= right


@given(int_parameters())
def test_the_ends_of_an_int_range_are_reached(parameter: IntParameter) -> None:
    values = parameter.values()
    assert parameter.decode(0.0) == values[0] == parameter.low
    assert parameter.decode(math.nextafter(1.0, 0.0)) == parameter.decode(1.0) == values[-1]
    assert parameter.high - parameter.step < values[-1] <= parameter.high


@given(int_parameters())
def test_ints_come_back_from_the_middle_of_their_cell(parameter: IntParameter) -> None:
    for index, value in enumerate(parameter.values()):
        assert parameter.encode(value) == (index + 0.5) / parameter.size
        assert parameter.decode(parameter.encode(value)) == value


def test_the_largest_int_range_keeps_its_ends() -> None:
    parameter = IntParameter("n", -(2**53), 2**53, 0)
    assert [parameter.decode(u) for u in (0.0, 1.0)] == [-(2**53), 2**53]
    assert parameter.decode(parameter.encode(0)) == 0


@given(log_int_parameters())
def test_the_ends_of_a_log_int_range_are_reached(parameter: IntParameter) -> None:
    assert [parameter.decode(u) for u in (0.0, 1.0)] == [parameter.low, parameter.high]


@given(log_int_parameters(), st.data())
def test_log_ints_come_back(parameter: IntParameter, data: st.DataObject) -> None:
    value = data.draw(st.integers(parameter.low, parameter.high))
    assert parameter.decode(parameter.encode(value)) == value


@given(log_int_parameters(most=2**53), units, units)
def test_log_ints_stay_in_range_and_grow(parameter: IntParameter, u: float, v: float) -> None:
    smaller, larger = parameter.decode(min(u, v)), parameter.decode(max(u, v))
    assert parameter.low <= smaller <= larger <= parameter.high


def test_the_cell_of_a_log_int_is_as_wide_as_on_a_log_scale() -> None:
    parameter = IntParameter("n", 1, 100, 10, log=True)
    span = math.log(100.5 / 0.5)
    for value in range(1, 100):
        edge = math.log((value + 0.5) / 0.5) / span
        assert parameter.decode(edge - 1e-12) == value
        assert parameter.decode(edge + 1e-12) == value + 1


# --- floats -------------------------------------------------------------------------------------


@untimed
@given(stepped_parameters())
def test_stepped_floats_are_exact_decimals(parameter: SteppedFloatParameter) -> None:
    low, step = Decimal(repr(parameter.low)), Decimal(repr(parameter.step))
    values = parameter.values()
    assert values == [float(low + index * step) for index in range(parameter.size)]
    assert Decimal(repr(values[-1])) <= Decimal(repr(parameter.high)) < low + parameter.size * step


def test_a_tenth_three_times_is_three_tenths() -> None:
    parameter = SteppedFloatParameter("x", 0.0, 0.5, 0.1, 0.1)
    assert parameter.values() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


@untimed
@given(stepped_parameters())
def test_every_stepped_float_is_equally_likely(parameter: SteppedFloatParameter) -> None:
    drawn = Counter(parameter.decode(u) for u in coordinates(parameter.size, per_cell=3))
    assert list(drawn) == parameter.values()
    assert set(drawn.values()) == {3}


@untimed
@given(stepped_parameters())
def test_stepped_floats_come_back(parameter: SteppedFloatParameter) -> None:
    for index, value in enumerate(parameter.values()):
        assert parameter.encode(value) == (index + 0.5) / parameter.size
        assert parameter.decode(parameter.encode(value)) == value


def test_a_grid_finer_than_floats_can_write_comes_back() -> None:
    parameter = SteppedFloatParameter("x", 1e-15, 1e6, 1e-15, 0.1)
    value = parameter.decode(0.7654)
    assert parameter.decode(parameter.encode(value)) == value


@given(float_parameters(), units)
def test_floats_are_finite_and_in_range(parameter: FloatParameter, u: float) -> None:
    assert parameter.low <= parameter.decode(u) <= parameter.high
    assert 0.0 <= parameter.encode(parameter.decode(u)) <= 1.0


@pytest.mark.parametrize(("low", "high", "log"), EXTREME_RANGES)
def test_extreme_ranges_stay_finite(low: float, high: float, log: bool) -> None:
    parameter = FloatParameter("x", low, high, low, log)
    decoded = [parameter.decode(u) for u in (0.0, 1e-300, 0.25, 0.5, 0.75, 1.0)]
    assert all(math.isfinite(value) and low <= value <= high for value in decoded)
    assert decoded == sorted(decoded)
    assert [parameter.encode(low), parameter.encode(high)] == [0.0, 1.0]
    assert math.isclose(decoded[0], low, rel_tol=1e-11)
    assert math.isclose(decoded[-1], high, rel_tol=1e-11)


@given(float_parameters(), units)
def test_floats_have_twelve_significant_digits(parameter: FloatParameter, u: float) -> None:
    value = parameter.decode(u)
    assert value in (parameter.low, parameter.high, float(f"{value:.12g}"))


@given(st.booleans(), units)
def test_floats_come_back_to_their_coordinate(log: bool, u: float) -> None:
    parameter = FloatParameter("x", 1e-5, 10.0, 0.1, log)
    assert math.isclose(parameter.encode(parameter.decode(u)), u, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "log", "middle"),
    [
        (0.0, 1.0, False, 0.5),
        (-3.0, 5.0, False, 1.0),
        (1e-4, 1.0, True, 0.01),
        (0.00005, 0.05, True, 0.00158113883008),
    ],
)
def test_the_middle_of_a_range(low: float, high: float, log: bool, middle: float) -> None:
    parameter = FloatParameter("x", low, high, low, log)
    assert [parameter.decode(u) for u in (0.0, 0.5, 1.0)] == [low, middle, high]


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [(0.0, 5e-324, False), (1.0, math.nextafter(1.0, 2.0), True), (1e10, 1e10 + 2e-6, True)],
)
def test_bounds_that_nearly_touch_still_have_coordinates(
    low: float, high: float, log: bool
) -> None:
    parameter = FloatParameter("x", low, high, low, log)
    assert 0.0 <= parameter.encode(low) <= parameter.encode(high) <= 1.0


# --- choices ------------------------------------------------------------------------------------

ALIKE: tuple[Value, ...] = (1, 1.0, True, "1", "1.0", "True", None, "None", 0, 0.0, False, "")


def test_values_of_different_types_are_different_choices() -> None:
    parameter = ChoiceParameter("c", ALIKE, 1)
    for index, value in enumerate(ALIKE):
        assert parameter.encode(value) == (index + 0.5) / len(ALIKE)
        assert parameter.as_number(value) == index
        back = parameter.decode(parameter.encode(value))
        assert (type(back), back) == (type(value), value)


def test_an_equal_value_of_another_type_is_no_choice() -> None:
    parameter = ChoiceParameter("c", (1, "x"), 1)
    for value in (1.0, True, "1"):
        with pytest.raises(ValueError, match="is not a value of c"):
            parameter.encode(value)


@given(st.integers(1, 40))
def test_every_choice_is_equally_likely(count: int) -> None:
    parameter = ChoiceParameter("c", tuple(map(str, range(count))), "0")
    drawn = Counter(parameter.decode(u) for u in coordinates(count, per_cell=5))
    assert list(drawn) == parameter.values()
    assert set(drawn.values()) == {5}


# --- all of them --------------------------------------------------------------------------------

EACH_KIND = [
    FloatParameter("x", 0.5, 2.0, 1.0),
    FloatParameter("x", 0.5, 2.0, 1.0, log=True),
    SteppedFloatParameter("x", 0.5, 2.0, 1.0, 0.5),
    IntParameter("x", 1, 7, 2),
    IntParameter("x", 1, 7, 3, step=2),
    IntParameter("x", 1, 7, 2, log=True),
    ChoiceParameter("x", ("a", "b"), "a"),
]
OUTSIDE: list[Value] = [
    0, 0.49, 2.01, 8, -1, math.nan, math.inf, -math.inf, 10**400, -(10**400), True, False, None,
    "1", "c", "",
]  # fmt: skip


@pytest.mark.parametrize("parameter", EACH_KIND, ids=repr)
@pytest.mark.parametrize("value", OUTSIDE, ids=lambda value: repr(value)[:12])
def test_what_is_no_value_is_refused(parameter: Parameter, value: Value) -> None:
    with pytest.raises(ValueError, match="is not a value of x"):
        parameter.encode(value)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (SteppedFloatParameter("x", 0.5, 2.0, 1.0, 0.5), 1.3),
        (SteppedFloatParameter("x", 0.0, 1.0, 0.0, 0.1), 0.30000000000000004),
        (SteppedFloatParameter("x", 0.0, 1.0, 0.0, 0.3), 1.0),
        (IntParameter("x", 1, 7, 3, step=2), 4),
        (IntParameter("x", 1, 8, 3, step=2), 8),
    ],
)
def test_what_lies_beside_the_grid_is_refused(parameter: Parameter, value: Value) -> None:
    with pytest.raises(ValueError, match="is not a value of x"):
        parameter.encode(value)


@pytest.mark.parametrize("parameter", EACH_KIND, ids=repr)
def test_a_coordinate_outside_counts_as_the_nearer_end(parameter: Parameter) -> None:
    for u in (-math.inf, -1.0, -0.0):
        assert parameter.decode(u) == parameter.decode(0.0)
    for u in (1.0, 1.0000000000000002, 7.0, math.inf):
        assert parameter.decode(u) == parameter.decode(1.0)


@pytest.mark.parametrize("parameter", EACH_KIND, ids=repr)
def test_the_initial_value_comes_back(parameter: Parameter) -> None:
    assert parameter.decode(parameter.encode(parameter.init)) == parameter.init


@pytest.mark.parametrize("parameter", EACH_KIND, ids=repr)
def test_values_are_plain_python(parameter: Parameter) -> None:
    value = parameter.decode(float(np.float64(0.3)))
    assert type(value) in (int, float, str)
    assert type(value).__name__ == {"choice": "str"}.get(parameter.type_name, parameter.type_name)


@pytest.mark.parametrize("parameter", EACH_KIND[:3], ids=repr)
def test_numpy_floats_are_numbers(parameter: Parameter) -> None:
    assert parameter.encode(np.float64(1.5)) == parameter.encode(1.5)


@pytest.mark.parametrize("parameter", EACH_KIND, ids=repr)
def test_the_size_counts_the_values(parameter: Parameter) -> None:
    if parameter.size is None:
        with pytest.raises(ValueError, match="x is continuous"):
            parameter.values()
    else:
        assert len(parameter.values()) == parameter.size


@untimed
@given(st.one_of(int_parameters(), log_int_parameters(most=60), stepped_parameters()), units)
def test_neighbours_are_one_step_down_and_up(parameter: Parameter, u: float) -> None:
    values = parameter.values()
    here = values.index(parameter.decode(u))
    beside = [values[place] for place in (here - 1, here + 1) if 0 <= place < len(values)]
    assert parameter.neighbours(u) == [parameter.encode(value) for value in beside]


def test_neighbours_of_a_choice_are_all_others_and_a_float_has_none() -> None:
    parameter = ChoiceParameter("c", ("a", 1, None), "a")
    assert [parameter.decode(u) for u in parameter.neighbours(0.5)] == ["a", None]
    assert ChoiceParameter("c", ("a",), "a").neighbours(0.5) == []
    assert FloatParameter("x", 0.0, 1.0, 0.5).neighbours(0.5) == []


@pytest.mark.parametrize("log", [False, True])
def test_neighbours_among_very_many_values_are_found_at_once(log: bool) -> None:
    parameter = IntParameter("n", 1, 2**40, 1, log)
    here = 2**30
    found = [parameter.decode(u) for u in parameter.neighbours(parameter.encode(here))]
    assert found == [here - 1, here + 1]


def test_a_number_is_its_own_place_in_a_plot() -> None:
    assert IntParameter("n", 1, 7, 2).as_number(5) == 5.0
    assert FloatParameter("x", 0.0, 1.0, 0.5).as_number(0.25) == 0.25


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-05, "1e-05"), (0.1, "0.1"), (1e308, "1e+308"), (3, "3"), (-7, "-7"), (True, "True"),
        (False, "False"), (None, "None"), ("adam", "adam"), ("", ""), ("a b", "a b"),
    ],
)  # fmt: skip
def test_values_as_text(value: Value, text: str) -> None:
    assert as_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives_its_text(value: float) -> None:
    assert float(as_text(value)) == value
