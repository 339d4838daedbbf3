"""The space as a whole: points, and round trips through files."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.space import Space, Value, dump_yaml, load_space, parse_yaml, read_space
from autofinetune.space.parameters import ChoiceParameter, Condition, FloatParameter
from tests.helpers import conditional_space, shared_space
from tests.space.round_trips import check, points

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
    # In a range that begins near zero, logarithms of neighbours far from it cannot be told apart.
    most = max(10**9, low + low // 4) if log else 2**53
    high = draw(st.integers(low + 1, max(low + 1, min(most, 2**53))))
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
def drawn_entries(draw: st.DrawFn) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": draw(st.sampled_from(["int", "float"]))}
    if draw(st.booleans()):
        log = draw(st.booleans())
        entry |= {"distribution": "normal", "mean": draw(st.floats(-5, 5)), "log": log}
        entry |= {"deviation": draw(st.floats(0.1, 2)), "init_value": 1}
    else:
        entry |= {"distribution": "beta", "a": draw(st.floats(0.5, 5)), "init_value": 1}
        entry |= {"b": draw(st.floats(0.5, 5))}
    if draw(st.booleans()):
        entry["round_to"] = 1
    log_ = entry.get("log")
    if (entry["type"] == "int" or "round_to" in entry) and not log_ and "mean" in entry:
        entry["init_value"] = round(entry["mean"])
    elif log_ and (entry["type"] == "int" or "round_to" in entry):
        entry["init_value"] = round(math.exp(entry["mean"]))
    return entry


@st.composite
def multiple_entries(draw: st.DrawFn) -> dict[str, Any]:
    low, width = draw(st.integers(-50, 50)), draw(st.integers(1, 100))
    quantum = draw(st.integers(1, 150))
    clip = draw(st.booleans())
    kind = draw(st.sampled_from(["int", "float"]))
    init = round((low + width / 2) / quantum) * quantum
    if clip:
        init = min(max(init, low), low + width)
    return {
        "type": kind,
        "init_value": init,
        "greater_than": low,
        "lower_than": low + width,
        "round_to": quantum,
        "clip": clip,
    }


@st.composite
def special_choice_entries(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["choice", "layer_choice", "input_choice", "constant"]))
    if kind == "constant":
        return {"type": kind, "value": draw(st.lists(choices, max_size=2))}
    if kind == "choice":
        count = draw(st.integers(1, 4))
        weights = [1 / count] * count
        return {"type": kind, "choices": list(range(count)), "probabilities": weights}
    written = draw(st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=3))
    n_chosen = {"n_chosen": draw(st.sampled_from([0, 1, [0, 1]]))}
    return {"type": kind, "choices": written} | (n_chosen if kind == "input_choice" else {})


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    entry = float_entries() | int_entries() | stepped_entries() | choice_entries()
    entry |= drawn_entries() | multiple_entries() | special_choice_entries()
    named = draw(st.dictionaries(names, entry, min_size=1, max_size=5))
    entries: list[dict[str, Any]] = []
    for name, e in named.items():
        choices = [e for e in entries if e["type"] == "choice" and e.get("choices")]
        parent = draw(st.sampled_from([None, *choices]))
        condition: dict[str, Any] = {}
        if parent is not None:
            values = st.sampled_from(parent["choices"])
            value = draw(values | st.lists(values, min_size=1, max_size=3))
            condition = {"only_if": {parent["name"]: value}}
        entries.append({"name": name, **e, **condition})
    return load_space({"param_list": entries})


@untimed
@given(spaces(), st.data())
def test_a_space_survives_its_description_and_its_points(
    space: Space, data: st.DataObject
) -> None:
    check(space, data.draw(points(space)))


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
    active = space.active(point)
    assert list(params) == [p.name for p, here in zip(space, active, strict=True) if here]
    back = space.encode(params)
    assert len(back) == space.dim
    assert all(0.0 <= u <= 1.0 for u in back)
    assert [u for u, here in zip(back, active, strict=True) if not here] == [0.5] * active.count(
        False
    )
    assert space.active(back) == active


@untimed
@given(spaces())
def test_the_initial_point_lies_in_the_cube(space: Space) -> None:
    assert set(space.init_params) <= {parameter.name for parameter in space}
    assert all(p.name in space.init_params for p in space if p.condition is None)
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


# --- conditions ---------------------------------------------------------------------------------


def test_a_configuration_holds_what_its_choices_leave_active() -> None:
    space = conditional_space()
    assert space.init_params == {"optimizer": "sgd", "momentum": 0.5, "lr": 0.5}
    middle = 0.5
    assert space.decode((0.5, 0.1, 0.9, 0.9, 0.9, middle)) == {
        "optimizer": "lamb", "bias": 1, "lr": 0.5,
    }  # fmt: skip
    adam = (5 / 6, 0.1, 0.9, 0.9, 0.9, middle)
    assert space.decode(adam) == {"optimizer": "adam", "schedule": 1, "warmup": 3, "lr": 0.5}
    assert space.active(adam) == (True, False, True, True, False, True)
    assert space.encode(space.decode(adam)) == (5 / 6, 0.5, 0.75, 5 / 6, 0.5, 0.5)
    # True is not 1 here, though they are equal in Python.
    assert "warmup" not in space.decode((0.9, 0.1, 0.1, 0.9, 0.9, middle))


def test_what_is_not_active_is_passed_over() -> None:
    space = conditional_space()
    params: dict[str, Value] = {"optimizer": "lamb", "bias": 0, "lr": 0.5, "momentum": 77}
    assert space.encode(params) == (0.5, 0.5, 0.5, 0.5, 0.25, 0.5)
    with pytest.raises(KeyError, match="bias"):
        space.encode({"optimizer": "lamb", "lr": 0.5})


def test_the_size_counts_distinct_configurations() -> None:
    assert conditional_space().size is None
    space = conditional_space(finite=True)
    everything = list(space.configurations())
    assert everything == [
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 0.5},
        {"optimizer": "sgd", "momentum": 1.0},
        {"optimizer": "lamb", "bias": 0},
        {"optimizer": "lamb", "bias": 1},
        {"optimizer": "adam", "schedule": True},
        {"optimizer": "adam", "schedule": 1, "warmup": 1},
        {"optimizer": "adam", "schedule": 1, "warmup": 2},
        {"optimizer": "adam", "schedule": 1, "warmup": 3},
    ]
    assert space.size == len(everything) == len({space.key(params) for params in everything})


def test_the_last_parameter_varies_fastest_and_a_range_has_no_end() -> None:
    entry = {"type": "int", "init_value": 1, "greater_than": 1, "lower_than": 2}
    space = load_space({"param_list": [{"name": "a", **entry}, {"name": "b", **entry}]})
    assert [tuple(params.values()) for params in space.configurations()] == [
        (1, 1), (1, 2), (2, 1), (2, 2),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="continuous"):
        next(conditional_space().configurations())


@untimed
@given(spaces())
def test_the_configurations_are_as_many_as_the_size(space: Space) -> None:
    if space.size is None or space.size > 2000:
        return
    keys = [space.key(params) for params in space.configurations()]
    assert len(keys) == len(set(keys)) == space.size
    for params in itertools.islice(space.configurations(), 50):
        assert space.key(space.decode(space.encode(params))) == space.key(params)


def test_configurations_below_several_values_are_counted_once_for_each() -> None:
    space = shared_space()
    assert space.size == len(list(space.configurations())) == 2 * 9 + 1


def test_a_long_chain_of_conditions_is_counted() -> None:
    chain = [ChoiceParameter("c0", (0, 1), 0)]
    for i in range(1, 3000):
        chain.append(ChoiceParameter(f"c{i}", (0, 1), 0, condition=Condition(f"c{i - 1}", (1,))))
    assert Space(tuple(chain)).size == 3001


@pytest.mark.parametrize(
    "condition",
    [Condition("c", (2,)), Condition("c", (-1,)), Condition("d", (0,)), Condition("c", ())],
)
def test_a_condition_on_nothing_is_refused(condition: Condition) -> None:
    choice = ChoiceParameter("c", (0, 1), 0)
    with pytest.raises(ValueError, match="x must depend on an earlier choice"):
        Space((choice, FloatParameter("x", 0.0, 1.0, 0.5, condition=condition)))
    with pytest.raises(ValueError, match="c appears twice"):
        Space((choice, choice))
