"""Parameters of W&B sweeps: what loads, what a trial gets, and every mistake with its place."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.errors import ConfigError
from autofinetune.space import Parameter, Space, load_space, parse_yaml, read_space
from autofinetune.space.distributions import Beta, Normal, Uniform
from autofinetune.space.parameters import (
    ChoiceParameter,
    Constant,
    DrawnParameter,
    FloatParameter,
    IntParameter,
    QuantizedParameter,
)
from tests.space.round_trips import VALUES, bounds, check, distinct, points, quanta

untimed = settings(deadline=None, max_examples=60)


def read(text: str) -> Space:
    return read_space(parse_yaml(text.encode(), "sweep.yaml"))


def only(spec: str) -> Parameter:
    (parameter,) = read(f"parameters:\n  x: {{{spec}}}\n")
    return parameter


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert all(mistake.startswith("sweep.yaml:") for mistake in caught.value.mistakes)
    return [mistake.removeprefix("sweep.yaml:") for mistake in caught.value.mistakes]


def test_a_repeated_value_is_kept_once_with_the_weights_of_all() -> None:
    space = read("parameters:\n  x: {values: [a, b, a], probabilities: [0.25, 0.25, 0.5]}\n"
                 "  y: {values: [1, 1]}\n")  # fmt: skip
    x, y = space
    assert x == ChoiceParameter("x", ("a", "b"), "a", weights=(0.75, 0.25))
    assert list(y.values()) == [1]
    assert space.notes == (
        "sweep.yaml:2:15 x: values repeat 'a': each value is kept once",
        "sweep.yaml:3:15 y: values repeat 1: each value is kept once, and all values are "
        "equally likely",
    )


# --- what loads ---------------------------------------------------------------------------------

EXPONENTS = (math.exp(-9), math.exp(-1))


@pytest.mark.parametrize(
    ("spec", "parameter"),
    [
        ("values: [a, 1, 1.0, true, null]",
         ChoiceParameter("x", ("a", 1, 1.0, True, None), "a")),
        ("values: [[1, 2], {a: b}]",
         ChoiceParameter("x", ("[1, 2]", "{'a': 'b'}"), "[1, 2]", written=([1, 2], {"a": "b"}))),
        ("distribution: categorical, values: [1]", ChoiceParameter("x", (1,), 1)),
        ("values: [1, 2], probabilities: [0.25, 0.75]",
         ChoiceParameter("x", (1, 2), 1, weights=(0.25, 0.75))),
        ("distribution: categorical_w_probabilities, values: [1, 2, 3], probabilities: [0, 0, 1]",
         ChoiceParameter("x", (3,), 3, weights=(1.0,))),
        ("min: 1, max: 9", IntParameter("x", 1, 9, 5)),
        ("min: 1, max: 9.0", FloatParameter("x", 1.0, 9.0, 5.0)),
        ("min: 1.0, max: 9", FloatParameter("x", 1.0, 9.0, 5.0)),
        ("distribution: uniform, min: 1, max: 9", FloatParameter("x", 1.0, 9.0, 5.0)),
        ("distribution: int_uniform, min: 1, max: 9", IntParameter("x", 1, 9, 5)),
        ("distribution: q_uniform, min: 0, max: 9",
         QuantizedParameter("x", Uniform(0.0, 9.0), 1.0, clip=False, init=4.0)),
        ("distribution: q_uniform, min: 0.5, max: 9, q: 2",
         QuantizedParameter("x", Uniform(0.5, 9.0), 2.0, clip=False, init=4, type_name="int")),
        ("distribution: log_uniform, min: -9, max: -1",
         FloatParameter("x", *EXPONENTS, 0.00673794699909, log=True)),
        ("distribution: inv_log_uniform, min: 1, max: 9",
         FloatParameter("x", *EXPONENTS, 0.00673794699909, log=True)),
        ("distribution: log_uniform_values, min: 0.01, max: 1",
         FloatParameter("x", 0.01, 1.0, 0.1, log=True)),
        ("distribution: inv_log_uniform_values, min: 0.01, max: 1",
         FloatParameter("x", 0.01, 1.0, 0.1, log=True)),
        ("distribution: q_log_uniform, min: 0, max: 2, q: 1",
         QuantizedParameter("x", Uniform(1.0, math.exp(2), log=True), 1.0, clip=False, init=3,
                            type_name="int")),
        ("distribution: q_log_uniform_values, min: 1, max: 100, q: 0.5",
         QuantizedParameter("x", Uniform(1.0, 100.0, log=True), 0.5, clip=False, init=10.0)),
        ("distribution: normal", DrawnParameter("x", Normal(0.0, 1.0), 0.0)),
        ("distribution: normal, mu: 3, sigma: 2", DrawnParameter("x", Normal(3.0, 2.0), 3.0)),
        ("distribution: q_normal, mu: 3",
         QuantizedParameter("x", Normal(3.0, 1.0), 1.0, clip=False, init=3.0)),
        ("distribution: log_normal", DrawnParameter("x", Normal(0.0, 1.0, log=True), 1.0)),
        ("distribution: q_log_normal, q: 2",
         QuantizedParameter("x", Normal(0.0, 1.0, log=True), 2.0, clip=False, init=0,
                            type_name="int")),
        ("distribution: beta", DrawnParameter("x", Beta(1.0, 1.0), 0.5)),
        ("distribution: beta, a: 2, b: 2", DrawnParameter("x", Beta(2.0, 2.0), 0.5)),
        ("distribution: q_beta, q: 0.25",
         QuantizedParameter("x", Beta(1.0, 1.0), 0.25, clip=False, init=0.5)),
    ],
)  # fmt: skip
def test_every_distribution_loads(spec: str, parameter: Parameter) -> None:
    assert repr(only(spec)) == repr(parameter)


SWEEP = """
program: train.py
method: bayes
metric: {name: loss, goal: minimize}
sweep_max_count: 5
weather: 1
parameters:
  epochs: {value: 10}
  optimizer:
    parameters:
      name: {values: [sgd, adam]}
      rate:
        parameters:
          first: {min: 0.0, max: 1.0}
          decay: {value: [1, 2]}
  layers: {min: 1, max: 3}
"""


def test_nested_parameters_and_constants() -> None:
    space = read(SWEEP)
    assert space.names == (
        "optimizer.name", "optimizer.rate.first", "layers", "epochs", "optimizer.rate.decay",
    )  # fmt: skip
    assert space.constants == (
        Constant("epochs", 10),
        Constant("optimizer.rate.decay", [1, 2], ("optimizer", "rate", "decay")),
    )
    params = space.decode((0.9, 0.25, 0.1))
    assert params == {"optimizer.name": "adam", "optimizer.rate.first": 0.25, "layers": 1}
    assert space.nest(params) == {
        "epochs": 10,
        "optimizer": {"name": "adam", "rate": {"first": 0.25, "decay": [1, 2]}},
        "layers": 1,
    }
    assert space.options(params) == {**params, "epochs": 10, "optimizer.rate.decay": [1, 2]}


def test_what_is_not_read_is_told() -> None:
    notes = read(SWEEP).notes
    assert notes == (
        "sweep.yaml:2:10 only the parameters of the sweep are read here, not program, method, "
        "metric, sweep_max_count",
        "sweep.yaml:6:10 key 'weather' is unknown in a sweep and ignored",
    )
    assert read("parameters: {x: {min: 1, max: 3}}").notes == ()


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ("distribution: log_uniform, min: -9, max: -1",
         "2:21 x: log_uniform takes exponents of e, so the range is 0.00012341 to 0.367879; to "
         "give the bounds themselves use log_uniform_values"),
        ("distribution: q_uniform, min: 2, max: 10, q: 5",
         "2:52 x: multiples of q (5) are not clipped, so values beyond the bounds can be drawn: "
         "0"),
        ("distribution: q_uniform, min: 2, max: 13, q: 5",
         "x: multiples of q (5) are not clipped, so values beyond the bounds can be drawn: 0 "
         "and 15"),
        ("values: [a, b, c], probabilities: [0, 1, 0]",
         "2:41 x: left out with probability 0: 'a', 'c'"),
    ],
)  # fmt: skip
def test_what_is_read_in_its_own_way_is_told(spec: str, note: str) -> None:
    (found,) = read(f"parameters:\n  x: {{{spec}}}\n").notes
    assert note in found


def test_a_sweep_of_constants_has_one_configuration() -> None:
    space = read("parameters: {a: {value: 1}, b: {value: [2]}, c: {value: x}}")
    assert space.size == 1
    assert list(space.configurations()) == [{"a": 1}]
    assert space.nest(space.init_params) == {"a": 1, "b": [2], "c": "x"}
    first = read("parameters: {b: {value: [2]}}")
    assert first.nest(first.init_params) == {"b": [2]}


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "2:6 x: needs value, values, min and max, distribution or parameters, found: noth"),
        ("mu: 3", "x: needs value, values, min and max, distribution or parameters, found: 'mu'"),
        ("min: 1", "2:6 x: max is missing; give a number"),
        ("max: 1", "x: min is missing; give a number"),
        ("min: 1, max: 1", "2:12 x: min (1) must be below max (1)"),
        ("min: 2.0, max: 1", "x: min (2.0) must be below max (1.0)"),
        ("min: a, max: 1", "x: min must be a number, found 'a'"),
        ("min: true, max: 1", "x: min must be a number, found True"),
        ("min: 0, max: .inf", "x: max must be finite, found inf"),
        ("min: 0, max: 1, step: 1",
         "2:29 x: key 'step' is unknown for int_uniform; allowed: min, max, distribution"),
        ("min: 0, max: 1, q: 1", "x: key 'q' is unknown for int_uniform"),
        ("distribution: uniform, min: 0, mx: 1", "x: key 'mx' is unknown for uniform; allowed: "
         "min, max, distribution (did you mean 'max'?)"),
        ("distribution: int_uniform, min: 0.5, max: 3",
         "x: min must be a whole number for type int_uniform, found 0.5"),
        ("distribution: unifrom, min: 0, max: 1", "2:21 x: distribution 'unifrom' is unknown; use "
         "one of: constant, categorical"),
        ("distribution: unifrom", "(did you mean 'uniform'?)"),
        ("distribution: [uniform]", "x: distribution ['uniform'] is unknown"),
        ("distribution: constant", "x: value is missing"),
        ("distribution: categorical", "x: values must be a list with at least one value"),
        ("values: []", "x: values must be a list with at least one value"),
        ("values: 3", "x: values must be a list with at least one value"),
        ("values: [.nan]", "x: values[0] must be finite, found nan"),
        ("value: .nan", "2:14 x: value must be finite, found nan"),
        ("values: [1, 2], probabilities: [1]", "x: probabilities must be a list of 2 numbers"),
        ("values: [1, 2], probabilities: 1", "x: probabilities must be a list of 2 numbers"),
        ("values: [1, 2], probabilities: [0.5, 0.6]",
         "x: the sum of the probabilities must be 1, found 1.1"),
        ("values: [1, 2], probabilities: [-0.5, 1]",
         "x: probabilities[0] must be a number from 0 to 1, found -0.5"),
        ("values: [1, 2], probabilities: [a, 1]", "x: probabilities[0] must be a number from 0"),
        ("distribution: q_uniform, min: 0, max: 1, q: 0", "x: q must be above 0, found 0"),
        ("distribution: q_uniform, min: 0, max: 1, q: -0.5", "x: q must be above 0, found -0.5"),
        ("distribution: q_uniform, min: 0, max: 1, q: null", "x: q must be a number, found None"),
        ("distribution: log_uniform_values, min: 0, max: 1",
         "x: min (0.0) must be above 0 on a logarithmic scale"),
        ("distribution: log_uniform, min: 0, max: 1000",
         "x: log_uniform takes exponents of e, and e to the 0 or 1000 is too large or too small"),
        ("distribution: log_uniform, min: -1000, max: 1", "too large or too small for a float"),
        ("distribution: log_uniform, min: 2, max: 1", "x: min (2.0) must be below max (1.0)"),
        ("distribution: normal, sigma: 0", "x: sigma must be above 0, found 0.0"),
        ("distribution: log_normal, sigma: 400",
         "x: mu (0.0) and sigma (400.0) of the logarithm give numbers too large or too small"),
        ("distribution: beta, a: 0", "x: a must be above 0, found 0.0"),
        ("distribution: beta, b: x", "x: b must be a number, found 'x'"),
        ("parameters: {}", "2:19 x: parameters must be a mapping of names, found {}"),
        ("parameters: 3", "x: parameters must be a mapping of names, found 3"),
        ("parameters: {y: {min: 2, max: 1}}", "2:29 x.y: min (2) must be below max (1)"),
        ("parameters: {y: 3}", "2:23 x.y: must be a mapping with value, values, min and max"),
        ("parameters: {y: {value: 1}}, value: 3", "2:43 x: key 'value' is not allowed with"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_words_of_the_format(spec: str, why: str) -> None:
    found = mistakes(f"parameters:\n  x: {{{spec}}}\n")
    assert any(why in mistake for mistake in found)
    assert len(found) == 1 + ("mx" in spec)  # where max is missing besides


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("parameters: 3", "1:13 parameters must be a mapping of names, found 3"),
        ("parameters: {}", "parameters must be a mapping of names, found {}"),
        ("parameters: {x: 3}", "1:17 x: must be a mapping with value, values, min and max"),
        ("parameters: {a b: {min: 1, max: 2}}", "1:19 a b: name 'a b' cannot be an option"),
        ("parameters: {help: {min: 1, max: 2}}", "help: name 'help' is reserved"),
        ("parameters: {x.y: {min: 1, max: 2}, x: {parameters: {y: {value: 1}}}}",
         "1:57 x.y: 'x.y' appears twice; names must be unique"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_form(text: str, why: str) -> None:
    (mistake,) = mistakes(text)
    assert why in mistake


# --- round trips --------------------------------------------------------------------------------


@st.composite
def specs(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    how = draw(st.sampled_from([
        "constant", "categorical", "categorical_w_probabilities", "int_uniform", "uniform",
        "q_uniform", "log_uniform", "log_uniform_values", "q_log_uniform", "q_log_uniform_values",
        "inv_log_uniform", "inv_log_uniform_values", "normal", "q_normal", "log_normal",
        "q_log_normal", "beta", "q_beta", *(["nested"] if depth else []),
    ]))  # fmt: skip
    if how == "nested":
        inner = st.dictionaries(st.sampled_from("abc"), specs(depth - 1), min_size=1, max_size=2)
        return {"parameters": draw(inner)}
    spec: dict[str, Any] = {"distribution": how}
    low, high = draw(bounds(positive="log" in how))
    if how == "constant":
        spec["value"] = draw(VALUES)
    elif how.startswith("categorical"):
        spec["values"] = draw(distinct())
        weights = draw(st.lists(st.integers(1, 9), min_size=5, max_size=5))[: len(spec["values"])]
        if how != "categorical":
            spec["probabilities"] = [weight / sum(weights) for weight in weights]
    elif how == "int_uniform":
        low = draw(st.integers(-1000, 1000))
        spec |= {"min": low, "max": low + draw(st.integers(1, 1000))}
    elif "uniform" in how:
        if "log_uniform" in how and not how.endswith("_values"):
            low = draw(st.floats(-10, 5))
            high = low + draw(st.floats(0.1, 5))
        spec |= {"min": low, "max": high}
    if how.startswith("q_") and draw(st.booleans()):
        spec["q"] = draw(st.sampled_from([1, 2, 0.5, 0.1, 3.0]))
        if how in ("q_uniform", "q_log_uniform_values"):
            spec["q"] = draw(quanta(low, high))
    return spec


@untimed
@given(st.dictionaries(st.sampled_from("stuvw"), specs(), min_size=1, max_size=4), st.data())
def test_a_sweep_survives_its_description_and_its_points(
    parameters: dict[str, Any], data: st.DataObject
) -> None:
    space = load_space({"method": "random", "parameters": parameters})
    check(space, data.draw(points(space)))
