"""Properties of a space in any format."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from autofinetune.space import (
    DiscreteParameter,
    Space,
    as_text,
    dump_yaml,
    load_space,
    parse_yaml,
    read_space,
)

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: float(f"{x:.6g}"))
POSITIVE = st.floats(1e-6, 1e6).map(lambda x: float(f"{x:.6g}"))
PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | NUMBERS | st.text(max_size=8)
OPAQUE = st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=5), PLAIN, max_size=2)


def is_argument(value: Any) -> bool:
    """Return whether every word inside can be passed to a process."""
    return "\\u0000" not in json.dumps(value) and "\\ud" not in json.dumps(value)


VALUES = (PLAIN | OPAQUE).filter(is_argument)


def distinct(size: int = 5) -> st.SearchStrategy[list[Any]]:
    """Lists of choices of which no two look alike."""
    return st.lists(
        VALUES, min_size=1, max_size=size,
        unique_by=lambda v: v if isinstance(v, str) else f"{type(v).__name__} {v!r}"
        if not isinstance(v, (list, dict)) else repr(v),
    )  # fmt: skip


@st.composite
def bounds(draw: st.DrawFn, *, positive: bool = False) -> tuple[float, float]:
    low, high = sorted(draw(st.lists(POSITIVE if positive else NUMBERS, min_size=2, max_size=2)))
    return low, high if high > low else low + abs(low) / 2 + 1.0


@st.composite
def quanta(draw: st.DrawFn, low: float, high: float) -> float:
    """From a thousandth to twice the range, and coarse enough for its largest number."""
    share = draw(st.floats(1e-3, 2.0))
    least = max(abs(low), abs(high)) * 1e-9
    return float(f"{max((high - low) * share, least):.3g}") or 1.0


def check(space: Space, point: tuple[float, ...]) -> None:
    """Round trips of a space through its description and its file, and of a point."""
    assert same(load_space(space.describe()), space)
    written = dump_yaml(space.describe()).encode()
    assert same(read_space(parse_yaml(written, "hparam.yaml")), space)
    params = space.decode(point)
    assert json.loads(json.dumps(params)) == params
    again = space.encode(params)
    for parameter, u, v in zip(space, point, again, strict=True):
        if parameter.name not in params:
            continue
        assert 0.0 <= v <= 1.0
        value = params[parameter.name]
        if isinstance(parameter, DiscreteParameter):
            cell = parameter.index(value)
            assert parameter.cell(u) == cell
            if parameter.edge(cell + 1) - parameter.edge(cell) > 1e-13:
                assert parameter.cell(v) == cell
        text = as_text(value)
        assert as_text(parameter.parse(text)) == text
        json.dumps(parameter.given(value))
    json.dumps(space.nest(params))
    assert set(space.options(params)) <= set(space.names)


def same(one: Space, other: Space) -> bool:
    """Compare values and types: `==` alone takes 1, 1.0 and True for one value."""
    return one == other and repr(one) == repr(other)


def points(space: Space) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.floats(0.0, 1.0)] * space.dim)
