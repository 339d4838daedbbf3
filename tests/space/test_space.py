"""The space as a whole: points, and the way to a file and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.space import Space, dump_yaml, load_space, parse_yaml, read_space

AMBIGUOUS = [
    "1e-5", "true", "null", "~", "", "0x10", " a ", "a: b", "no", "1:30", "<<", "- a", "#", ".nan",
    "one\ntwo\n", "\ttab", "'", '"', "é", "😀", "\x85", "\u2028",
]  # fmt: skip

untimed = settings(deadline=None, max_examples=40)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", fullmatch=True).filter(
    lambda name: name not in ("saved_params_dir", "model_path", "help")
)
texts = st.sampled_from(AMBIGUOUS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
finite = st.floats(allow_nan=False, allow_infinity=False)
choices = st.lists(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | finite | texts,
    min_size=1,
    max_size=8,
    unique_by=lambda value: (type(value), value),
)


@st.composite
def float_entries(draw: st.DrawFn) -> dict[str, Any]:
    log = draw(st.booleans())
    bounds = st.floats(5e-324 if log else -1e308, 1e308)
    low, high = sorted(draw(st.lists(bounds, min_size=2, max_size=2, unique=True)))
    return {
        "type": "float",
        "init_value": draw(st.floats(low, high)),
        "greater_than": low,
        "lower_than": high,
        "log": log,
    }


@st.composite
def int_entries(draw: st.DrawFn) -> dict[str, Any]:
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -(2**53), 2**53 - 1))
    high = draw(st.integers(low + 1, 2**53))
    step = None if log else draw(st.integers(1, min(high - low, 2**53)))
    init = draw(st.integers(low, high)) if log else low
    return {
        "type": "int",
        "init_value": init,
        "greater_than": low,
        "lower_than": high,
        "log": log,
        "step": step,
    }


@st.composite
def stepped_entries(draw: st.DrawFn) -> dict[str, Any]:
    low, count = draw(st.integers(-100, 100)), draw(st.integers(2, 50))
    high, init = low + count - 1, low + draw(st.integers(0, count - 1))
    return {
        "type": "float",
        "init_value": init / 10,
        "greater_than": low / 10,
        "lower_than": high / 10,
        "step": 0.1,
    }


@st.composite
def choice_entries(draw: st.DrawFn) -> dict[str, Any]:
    values = draw(choices)
    return {"type": "choice", "choices": values, "init_value": draw(st.sampled_from(values))}


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    entry = float_entries() | int_entries() | stepped_entries() | choice_entries()
    named = draw(st.dictionaries(names, entry, min_size=1, max_size=5))
    return load_space({"param_list": [{"name": name, **e} for name, e in named.items()]})


def same(one: Space, other: Space) -> bool:
    """Equal with equal types: `==` alone takes 1, 1.0 and True for one value."""
    return one == other and repr(one) == repr(other)


@untimed
@given(spaces())
def test_a_description_loads_as_the_same_space(space: Space) -> None:
    assert same(load_space(space.describe()), space)


@untimed
@given(spaces())
def test_a_space_survives_its_file(space: Space) -> None:
    written = dump_yaml(space.describe()).encode()
    assert same(read_space(parse_yaml(written, "hparam.yaml")), space)


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_an_ambiguous_word_stays_a_word_in_a_file(text: str) -> None:
    described = {"param_list": [{"name": "c", "type": "choice", "choices": [text, "other"]}]}
    space = read_space(parse_yaml(dump_yaml(described).encode(), "hparam.yaml"))
    assert space.init_params == {"c": text}


@untimed
@given(spaces(), st.data())
def test_points_and_params_translate(space: Space, data: st.DataObject) -> None:
    point = data.draw(st.tuples(*[st.floats(0.0, 1.0)] * space.dim))
    params = space.decode(point)
    assert list(params) == [parameter.name for parameter in space]
    back = space.encode(params)
    assert len(back) == space.dim
    assert all(0.0 <= u <= 1.0 for u in back)


@untimed
@given(spaces())
def test_the_initial_point_lies_in_the_cube(space: Space) -> None:
    assert set(space.init_params) == {parameter.name for parameter in space}
    assert all(0.0 <= u <= 1.0 for u in space.init_point)


def test_the_size_is_the_product_of_the_sizes() -> None:
    bit = {"type": "choice", "choices": [0, 1]}
    three = {"type": "int", "init_value": 1, "greater_than": 1, "lower_than": 3}
    real = {"type": "float", "init_value": 1, "greater_than": 1, "lower_than": 3}
    small = load_space({"param_list": [{"name": "a", **bit}, {"name": "b", **three}]})
    assert (small.dim, small.size) == (2, 6)
    assert load_space({"param_list": [{"name": "a", **bit}, {"name": "b", **real}]}).size is None


def test_a_point_of_the_wrong_length_is_refused() -> None:
    space = load_space({"param_list": [{"name": "a", "type": "choice", "choices": [0, 1]}]})
    with pytest.raises(ValueError, match="zip"):
        space.decode((0.5, 0.5))


def test_params_outside_the_space_are_refused() -> None:
    space = load_space({"param_list": [{"name": "a", "type": "choice", "choices": [0, 1]}]})
    for value in (2, 1.0, math.nan, None):
        with pytest.raises(ValueError, match="is not a value of a"):
            space.encode({"a": value})
