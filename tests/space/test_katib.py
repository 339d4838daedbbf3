"""Parameters of Katib: what loads, and every mistake with its place."""

from __future__ import annotations

import pytest

from autofinetune.errors import ConfigError
from autofinetune.space import Parameter, Space, parse_yaml, read_space
from autofinetune.space.distributions import Normal, Uniform
from autofinetune.space.parameters import (
    ChoiceParameter,
    DrawnParameter,
    FloatParameter,
    IntParameter,
    QuantizedParameter,
    SteppedFloatParameter,
)

HEAD = "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nspec:\n  parameters:\n"


def read(*parameters: str) -> Space:
    lines = "".join(f"  - {{{one}}}\n" for one in parameters)
    return read_space(parse_yaml((HEAD + lines).encode(), "k.yaml"))


def only(kind: str, feasible: str) -> Parameter:
    (parameter,) = read(f"name: x, parameterType: {kind}, feasibleSpace: {{{feasible}}}")
    return parameter


@pytest.mark.parametrize(
    ("kind", "feasible", "parameter"),
    [
        ("double", 'min: "0.01", max: "0.05"', FloatParameter("x", 0.01, 0.05, 0.03)),
        ("double", "min: 0, max: 1e-1, distribution: uniform", FloatParameter("x", 0, 0.1, 0.05)),
        ("double", 'min: "0", max: "1", step: "0.5"', SteppedFloatParameter("x", 0, 1, 0.5, 0.5)),
        ("double", 'min: "0.01", max: "1", distribution: logUniform',
         FloatParameter("x", 0.01, 1.0, 0.1, log=True)),
        ("double", 'min: "1", max: "100", step: "10", distribution: logUniform',
         QuantizedParameter("x", Uniform(1.0, 100.0, log=True), 10.0, True, 10.0)),
        ("int", 'min: "1", max: "3"', IntParameter("x", 1, 3, 2)),
        ("int", 'min: "10", max: "30", step: "10"', IntParameter("x", 10, 30, 20, step=10)),
        ("int", 'min: "4", max: "4"', ChoiceParameter("x", (4,), 4)),
        ("categorical", 'list: [sgd, "8"]', ChoiceParameter("x", ("sgd", "8"), "sgd")),
        ("discrete", 'list: ["8", "0.5", 3]', ChoiceParameter("x", (8, 0.5, 3), 8)),
        ("double", 'min: "-3", max: "3", distribution: normal',
         DrawnParameter("x", Normal(0.0, 1.0), 0.0)),
        ("int", 'min: "0", max: "60", step: "5", distribution: normal',
         QuantizedParameter("x", Normal(30.0, 10.0), 5.0, False, 30, type_name="int")),
    ],
)  # fmt: skip
def test_a_parameter(kind: str, feasible: str, parameter: Parameter) -> None:
    assert only(kind, feasible) == parameter


def test_the_logarithm_of_a_lognormal_has_its_mean_in_the_middle() -> None:
    space = read('name: x, parameterType: double, feasibleSpace: {min: "0.01", max: "100", '
                 "distribution: logNormal}")  # fmt: skip
    (x,) = space
    assert x.decode(0.5) == pytest.approx(1.0)
    assert x.decode(0.99865) == pytest.approx(100.0, rel=0.01)  # three deviations up
    (note,) = space.notes
    assert note.startswith("k.yaml:5:93 spec.parameters[0] x: logNormal has the mean")
    assert note.endswith("so one value in 370 lies beyond min and max")


def test_an_old_experiment_spells_options_and_keys_in_its_way() -> None:
    space = read('name: --size, parametertype: int, feasiblespace: {min: "1", max: "2"}')
    assert space.names == ("size",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: x, parameterType: duble", "5:30 spec.parameters[0] x: parameterType 'duble' is "
         "unknown; use one of: double, int, categorical, discrete (did you mean 'double'?)"),
        ("name: x, parameterType: int, feasibleSpace: {min: a, max: 2}",
         "5:56 spec.parameters[0] x: min must be a number, found 'a'"),
        ("name: x, parameterType: int, feasibleSpace: {min: 3, max: 2}",
         "5:56 spec.parameters[0] x: min (3) must be below max (2)"),
        ("name: x, parameterType: int, feasibleSpace: {max: 2}",
         "spec.parameters[0] x: min is missing; give a number"),
        ("name: x, parameterType: int, feasibleSpace: {min: 0, max: 2, distribution: logNormal}",
         "x: min (0) must be above 0 on a logarithmic scale"),
        ("name: x, parameterType: int, feasibleSpace: {min: 0, max: 2, distribution: lognormal}",
         "5:81 spec.parameters[0] x: distribution 'lognormal' is unknown; use one of: uniform"),
        ("name: x, parameterType: categorical, feasibleSpace: {list: []}",
         "5:65 spec.parameters[0] x: list must be a list with at least one value"),
        ("name: x, parameterType: categorical, feasibleSpace: 3", "feasibleSpace must be a map"),
        ("parameterType: categorical, feasibleSpace: {list: [a]}", "name is missing"),
    ],
)  # fmt: skip
def test_a_mistake(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("k.yaml:5:")
    assert why in mistake


@pytest.mark.parametrize("parameters", ["{}", "[]", "[3]", "x"])
def test_parameters_are_a_list(parameters: str) -> None:
    text = f"kind: Experiment\nspec: {{parameters: {parameters}}}"
    with pytest.raises(ConfigError, match=r"k.yaml:2:\d+ spec.parameters.* must be a"):
        read_space(parse_yaml(text.encode(), "k.yaml"))


def test_what_has_no_meaning_is_told() -> None:
    space = read("name: x, parameterType: discrete, feasibleSpace: {list: [1, 1], step: 2}")
    assert [note.partition(": ")[2] for note in space.notes] == [
        "key 'step' has no meaning for discrete and is ignored",
        "list repeat 1: each value is kept once, and all values are equally likely",
    ]
