"""Search spaces of NNI: what loads, what a trial gets, and every mistake with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.errors import ConfigError
from autofinetune.space import Parameter, Space, load_space, parse_yaml, read_space
from autofinetune.space.distributions import Normal, Uniform
from autofinetune.space.parameters import (
    ChoiceParameter,
    Condition,
    Constant,
    DrawnParameter,
    FloatParameter,
    IntParameter,
    QuantizedParameter,
)
from tests.space.round_trips import NUMBERS, POSITIVE, bounds, check, distinct, points, quanta

untimed = settings(deadline=None, max_examples=60)


def read(text: str) -> Space:
    return read_space(parse_yaml(text.encode(), "space.json"))


def only(kind: str, value: str) -> Parameter:
    (parameter,) = read(f'{{"x": {{"_type": "{kind}", "_value": {value}}}}}')
    return parameter


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert all(mistake.startswith("space.json:") for mistake in caught.value.mistakes)
    return [mistake.removeprefix("space.json:") for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("value", "kept", "told"),
    [
        ("[1, 2, 1, 1.0, true]", [1, 2, 1.0, True], "_value repeat 1: each value is kept once"),
        ("[[1], [1], [2]]", ["[1]", "[2]"], "_value repeat [1]: each value is kept once, and"),
        ('["a", "a"]', ["a"], "_value repeat 'a': each value is kept once"),
        ('[{"_name": "a"}, {"_name": "a"}, {"_name": "b"}]', ["a", "b"],
         "_value repeats an option, which is kept once"),
    ],
)  # fmt: skip
def test_a_repeated_value_is_kept_once(value: str, kept: list[object], told: str) -> None:
    space = read(f'{{"x": {{"_type": "choice", "_value": {value}}}}}')
    assert list(map(repr, space.parameters[0].values())) == list(map(repr, kept))
    (note,) = space.notes
    assert note.startswith("space.json:1:")
    assert told in note


# --- what loads ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "parameter"),
    [
        ("choice", '["a", 1, 1.0, true, null]',
         ChoiceParameter("x", ("a", 1, 1.0, True, None), "a")),
        ("choice", "[[1, 2], {a: 1}, 3]",
         ChoiceParameter("x", ("[1, 2]", "{'a': 1}", 3), "[1, 2]", written=([1, 2], {"a": 1}, 3))),
        ("randint", "[1, 10]", IntParameter("x", 1, 9, 5)),
        ("randint", "[0, 1e3]", IntParameter("x", 0, 999, 500)),
        ("randint", "[3, 4]", ChoiceParameter("x", (3,), 3)),
        ("uniform", "[0, 1]", FloatParameter("x", 0.0, 1.0, 0.5)),
        ("quniform", "[2, 10, 5]",
         QuantizedParameter("x", Uniform(2.0, 10.0), 5.0, clip=True, init=5.0)),
        ("loguniform", "[1e-5, 0.1]", FloatParameter("x", 1e-5, 0.1, 0.001, log=True)),
        ("qloguniform", "[1, 100, 10]",
         QuantizedParameter("x", Uniform(1.0, 100.0, log=True), 10.0, clip=True, init=10.0)),
        ("normal", "[1, 2]", DrawnParameter("x", Normal(1.0, 2.0), 1.0)),
        ("qnormal", "[1, 2, 0.5]",
         QuantizedParameter("x", Normal(1.0, 2.0), 0.5, clip=False, init=1.0)),
        ("lognormal", "[0, 2]", DrawnParameter("x", Normal(0.0, 2.0, log=True), 1.0)),
        ("qlognormal", "[0, 2, 2]",
         QuantizedParameter("x", Normal(0.0, 2.0, log=True), 2.0, clip=False, init=0.0)),
        ("layer_choice", '["conv", "pool"]',
         ChoiceParameter("x", ("conv", "pool"), "conv", kind="layer_choice")),
        ("layer_choice", '["conv", "conv"]',
         ChoiceParameter("x", ("conv#0", "conv#1"), "conv#0", written=("conv", "conv"),
                         kind="layer_choice")),
        ("input_choice", '{candidates: [a, b], n_chosen: 1}',
         ChoiceParameter("x", ("a", "b"), "a", written=("a", "b"), kind="input_choice")),
        ("input_choice", '{candidates: [a, b], n_chosen: [0, 1]}',
         ChoiceParameter("x", ("a", "b", None), "a", written=("a", "b"), kind="input_choice")),
        ("input_choice", '{candidates: ["", ""], n_chosen: 1}',
         ChoiceParameter("x", ("#0", "#1"), "#0", written=("", ""), kind="input_choice")),
    ],
)  # fmt: skip
def test_every_type_loads(kind: str, value: str, parameter: Parameter) -> None:
    assert repr(only(kind, value)) == repr(parameter)


@pytest.mark.parametrize(
    ("kind", "value", "note"),
    [
        ("qlognoraml", "[0, 1, 1]", "1:17 x: read as qlognormal"),
        ("uniform", '["1e-4", "1.E+2"]', "x: the word '1e-4' is read as a number"),
        ("randint", "[0, 1e3]", "x: read as the whole numbers 0 and 1000"),
        ("quniform", "[1, 4, 10]",
         "x: q (10) is wider than the range, so the only values are: 1.0"),
    ],
)  # fmt: skip
def test_what_is_read_in_its_own_way_is_told(kind: str, value: str, note: str) -> None:
    space = read(f'{{"x": {{"_type": "{kind}", "_value": {value}}}}}')
    assert any(note in found for found in space.notes)
    assert all(found.startswith("space.json:1:") for found in space.notes)


def test_what_is_plain_has_no_notes() -> None:
    assert read('{"x": {"_type": "quniform", "_value": [0, 10, 2.5]}}').notes == ()


NESTED = """
{"optimizer": {"_type": "choice", "_value": [
   {"_name": "sgd", "lr": {"_type": "loguniform", "_value": [0.001, 1]},
    "momentum": {"_type": "choice", "_value": [
      {"_name": "none"},
      {"_name": "nesterov", "rate": {"_type": "uniform", "_value": [0, 1]}}]}},
   {"_name": "adam", "lr": {"_type": "loguniform", "_value": [1e-05, 0.1]}}]},
 "layers": {"_type": "randint", "_value": [1, 5]}}
"""


def test_nested_choices_are_conditions() -> None:
    space = read(NESTED)
    assert [(p.name, p.condition, p.path) for p in space] == [
        ("optimizer", None, ("optimizer", "_name")),
        ("optimizer.sgd.lr", Condition("optimizer", (0,)), ("optimizer", "lr")),
        ("optimizer.sgd.momentum", Condition("optimizer", (0,)),
         ("optimizer", "momentum", "_name")),
        ("optimizer.sgd.momentum.nesterov.rate", Condition("optimizer.sgd.momentum", (1,)),
         ("optimizer", "momentum", "rate")),
        ("optimizer.adam.lr", Condition("optimizer", (1,)), ("optimizer", "lr")),
        ("layers", None, ()),
    ]  # fmt: skip


def test_a_trial_gets_what_nni_would_give_it() -> None:
    space = read(NESTED)
    low, high = 0.1, 0.9
    assert space.nest(space.decode([low, low, low, low, low, low])) == {
        "optimizer": {"_name": "sgd", "lr": 0.00199526231497, "momentum": {"_name": "none"}},
        "layers": 1,
    }
    assert space.nest(space.decode([low, high, high, high, low, low])) == {
        "optimizer": {
            "_name": "sgd",
            "lr": 0.501187233627,
            "momentum": {"_name": "nesterov", "rate": 0.9},
        },
        "layers": 1,
    }
    params = space.decode([high] * 6)
    assert params == {"optimizer": "adam", "optimizer.adam.lr": 0.0398107170553, "layers": 4}
    assert space.nest(params) == {
        "optimizer": {"_name": "adam", "lr": 0.0398107170553},
        "layers": 4,
    }


def test_layers_and_inputs_are_given_with_their_places() -> None:
    space = read(
        """{"first": {"_type": "layer_choice", "_value": ["conv5x5", "conv3x3"]},
            "mid": {"_type": "layer_choice", "_value": ["0", "1"]},
            "skip": {"_type": "input_choice", "_value": {"candidates": ["", ""], "n_chosen": 1}},
            "more": {"_type": "input_choice", "_value": {"candidates": ["a"], "n_chosen": [0, 1]}},
            "none": {"_type": "input_choice", "_value": {"candidates": ["a"], "n_chosen": 0}},
            "size": {"_type": "choice", "_value": [[1, 2], [3]]}}"""
    )
    assert space.nest(space.decode([0.9] * 5)) == {
        "first": {"_value": "conv3x3", "_idx": 1},
        "mid": {"_value": "1", "_idx": 1},
        "skip": {"_value": [""], "_idx": [1]},
        "more": {"_value": [], "_idx": []},
        "none": [],
        "size": [3],
    }
    assert space.constants == (Constant("none", []),)
    assert space.nest(space.decode([0.1] * 5))["more"] == {"_value": ["a"], "_idx": [0]}
    params = space.decode([0.9] * 5)
    assert params == {"first": "conv3x3", "mid": "1", "skip": "#1", "more": None, "size": "[3]"}
    given = space.nest(params)
    given["size"].append(4)  # a trial changes only its own copy
    assert space.nest(params)["size"] == [3]


def test_options_may_have_numbers_for_names() -> None:
    space = read(
        """{"net": {"_type": "choice", "_value": [
             {"_name": 18, "x": {"_type": "choice", "_value": [1]}}, {"_name": 0.5}]}}"""
    )
    assert [space.nest(params) for params in space.configurations()] == [
        {"net": {"_name": 18, "x": 1}}, {"net": {"_name": 0.5}},
    ]  # fmt: skip
    assert space.names == ("net", "net.18.x")


def test_a_child_without_choice_is_a_choice_of_one() -> None:
    space = read(
        """{"net": {"_type": "choice", "_value": [{"_name": "a",
              "skip": {"_type": "input_choice", "_value": {"candidates": [b], "n_chosen": 0}}},
             {"_name": "c"}]}}"""
    )
    assert space.nest(space.init_params) == {"net": {"_name": "a", "skip": []}}
    assert space.nest(space.decode([0.9, 0.5])) == {"net": {"_name": "c"}}


def test_names_that_are_no_options_get_one() -> None:
    space = read(
        """{"layer 1": {"_type": "uniform", "_value": [0, 1]},
            "layer_1": {"_type": "uniform", "_value": [0, 1]},
            "0": {"_type": "uniform", "_value": [0, 1]},
            "学习率": {"_type": "uniform", "_value": [0, 1]},
            "help": {"_type": "uniform", "_value": [0, 1]},
            "net": {"_type": "choice", "_value": [{"_name": "a/b",
                    "x y": {"_type": "uniform", "_value": [0, 1]}}]}}"""
    )
    names = ["layer_1", "layer_1_2", "_0", "___", "help_2", "net", "net.a_b.x_y"]
    assert [parameter.name for parameter in space] == names
    assert list(space.nest(space.init_params)) == [
        "layer 1", "layer_1", "0", "学习率", "help", "net",
    ]  # fmt: skip
    assert space.nest(space.init_params)["net"] == {"_name": "a/b", "x y": 0.5}
    assert [note.partition(": ")[2] for note in space.notes] == [
        f"is --{name} on the command line and {name} in the tables"
        for name in names
        if name != "net"
    ]


def test_yaml_is_read_like_json(tmp_path: Path) -> None:
    file = tmp_path / "search_space.yml"
    file.write_text("lr:\n  _type: loguniform\n  _value: [1e-4, 1]\n")
    (parameter,) = load_space(file)
    assert parameter == FloatParameter("lr", 1e-4, 1.0, 0.01, log=True)


def test_json_with_tabs_and_escapes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "search_space.json"
    space = {"größe": {"_type": "choice", "_value": ["\U0001f600", "a\tb/\\ud83d", "参数"]}}
    text = json.dumps(space, indent="\t").replace("/", "\\/")
    file.write_text(text)
    (parameter,) = load_space(file)
    assert isinstance(parameter, ChoiceParameter)
    assert parameter.choices == ("\U0001f600", "a\tb/\\ud83d", "参数")


# --- mistakes -----------------------------------------------------------------------------------

WRONG = [
    ("uniform", "5", "1:38 x: _value must be a list, found 5"),
    ("uniform", "{low: 0}", "x: _value must be a list, found {'low': 0}"),
    ("uniform", "[1]", "x: _value of uniform must be [low, high], found [1]"),
    ("uniform", "[1, 2, 3]", "x: _value of uniform must be [low, high], found [1, 2, 3]"),
    ("quniform", "[1, 2]", "x: _value of quniform must be [low, high, q], found [1, 2]"),
    ("normal", "[]", "x: _value of normal must be [mu, sigma], found []"),
    ("uniform", "[1, 1]", "1:39 x: low (1.0) must be below high (1.0); a single value is a ch"),
    ("uniform", "[2, 1]", "x: low (2.0) must be below high (1.0)"),
    ("uniform", "[true, 2]", "x: low must be a number, found True"),
    ("uniform", '["0", 2]', "x: low must be a number, found '0'"),
    ("uniform", "[0, .inf]", "1:42 x: high must be finite, found inf"),
    ("uniform", "[.nan, 1]", "x: low must be finite, found nan"),
    ("uniform", "[NaN, 1]", "x: low must be a number, found 'NaN'"),
    ("uniform", f"[0, {'9' * 350}]", "x: high is too large for a float"),
    ("uniform", '["1e999", 1]', "x: low must be finite, found inf"),
    ("loguniform", "[0, 1]", "x: low (0.0) must be above 0 on a logarithmic scale"),
    ("qloguniform", "[-1, 1, 1]", "x: low (-1.0) must be above 0 on a logarithmic scale"),
    ("quniform", "[0, 1, 0]", "1:46 x: q must be above 0, found 0.0"),
    ("quniform", "[0, 1, -1]", "x: q must be above 0, found -1.0"),
    ("quniform", "[0, 1, null]", "x: q must be a number, found None"),
    ("quniform", "[0, 1, 1e-16]", "x: q (1e-16) is too fine to tell numbers up to 1.0 apart"),
    ("normal", "[0, 0]", "x: sigma must be above 0, found 0.0"),
    ("lognormal", "[0, -1]", "x: sigma must be above 0, found -1.0"),
    ("lognormal", "[0, 1000]", "x: mu (0.0) and sigma (1000.0) of the logarithm give numbers too"),
    ("lognormal", "[-800, 1]", "x: mu (-800.0) and sigma (1.0) of the logarithm give numbers too"),
    ("normal", "[0, 1e308]", "x: mu (0.0) and sigma (1e+308) give numbers too large or too small"),
    ("qlognormal", "[600, 1, 1]", "x: q (1.0) is too fine to tell numbers up to"),
    ("randint", "[1, 1]", "x: low (1) must be below high (1)"),
    ("randint", "[3, 1]", "x: low (3) must be below high (1)"),
    ("randint", "[0.5, 2]", "x: low must be a whole number for type randint, found 0.5"),
    ("randint", "[0, true]", "x: high must be a number, found True"),
    ("randint", f"[0, {2**60}]", "x: high must be between -2^53 and 2^53"),
    ("choice", "[]", "x: _value must be a list with at least one value"),
    ("choice", "[1, .nan]", "x: _value[1] must be finite, found nan"),
    ("choice", '["a\\u0000"]', r"x: _value[0] 'a\x00' cannot be an argument of a command"),
    ("choice", '[{"_name": "a"}, 3]', "1:54 x: _value[1] must be a mapping with a _name"),
    ("choice", '[{"_name": "a"}, {"b": 3}]', "x: _value[1] must be a mapping with a _name"),
    ("choice", '[{"_name": true}]', "x: _value[0] must be a mapping with a _name (a word"),
    ("choice", '[{"_name": [1]}]', "x: _value[0] must be a mapping with a _name (a word or"),
    ("choice", '[{"_name": "a"}, {"_name": "a", "b": 1}]', "x: _name 'a' appears twice"),
    ("choice", '[{"_name": "a", "b": 3}]', "1:58 x.0.b: must be a mapping, as in {"),
    ("choice", '[{"_name": "a", "b": {"_type": "uniform", "_value": [2, 1]}}]',
     "x.0.b: low (2.0) must be below high (1.0)"),
    ("layer_choice", "[]", "x: _value must be a list with at least one value"),
    ("layer_choice", "[[a]]", "x: _value[0] must be a word or number"),
    ("input_choice", "[a]", "x: _value of input_choice must be a mapping of candidates and"),
    ("input_choice", "{candidates: [a]}", "x: _value of input_choice must be a mapping of"),
    ("input_choice", "{candidates: [], n_chosen: 1}", "x: candidates must be a list with at"),
    ("input_choice", "{candidates: [a, b], n_chosen: 2}",
     "1:74 x: n_chosen must be 0, 1 or [0, 1], found 2"),
    ("input_choice", "{candidates: [a, b], n_chosen: true}", "x: n_chosen must be 0, 1 or [0, 1]"),
    ("input_choice", "{candidates: [a, b], n_chosen: false}", "x: n_chosen must be 0, 1 or"),
    ("unifrom", "[0, 1]", "1:17 x: _type 'unifrom' is unknown; use one of: choice, randint, unif"),
    ("unifrom", "[0, 1]", "(did you mean 'uniform'?)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "why"), WRONG)
def test_a_mistake_is_told_in_the_words_of_the_format(kind: str, value: str, why: str) -> None:
    (mistake,) = mistakes(f'{{"x": {{"_type": "{kind}", "_value": {value}}}}}')
    assert why in mistake


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"x": {"_type": "choice"}}', "x: _value is missing, as in {"),
        ('{"x": {"_value": [1]}}', "x: _type is missing, as in {"),
        ('{"x": {"_type": [1], "_value": [1]}}', "x: _type [1] is unknown"),
        ('{"x": {"_type": "choice", "_value": [1], "_vaule": 1}}',
         "x: key '_vaule' is unknown; allowed: _type, _value (did you mean '_value'?)"),
        ('{"y": 3, "x": {"_type": "choice", "_value": [1]}}',
         "1:7 y: must be a mapping, as in {"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_form(text: str, why: str) -> None:
    (mistake,) = mistakes(text)
    assert why in mistake


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = """\
{
  "a": {"_type": "uniform", "_value": [1, 0]},
  "b": {"_type": "choice", "_value": [
    {"_name": "one",
     "c": {"_type": "normal", "_value": [0, "x"]}},
    {"_name": "two",
     "c": {"_type": "nothing", "_value": []}}
  ]},
  "d": 5
}
"""
    found = mistakes(text)
    assert [mistake.partition(" ")[0] for mistake in found] == ["2:40", "5:45", "7:21", "9:8"]
    assert [mistake.split()[1] for mistake in found] == ["a:", "b.0.c:", "b.1.c:", "d:"]


# --- round trips --------------------------------------------------------------------------------


@st.composite
def specs(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    kinds = ["choice", "randint", "uniform", "quniform", "loguniform", "qloguniform", "normal",
             "qnormal", "lognormal", "qlognormal", "layer_choice", "input_choice"]  # fmt: skip
    kind = draw(st.sampled_from([*kinds, "nested"] if depth else kinds))
    value: Any
    if kind == "nested":
        names = draw(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=3, unique=True)
                     .filter(lambda names: "\0" not in "".join(names)))  # fmt: skip
        inner = st.dictionaries(st.sampled_from("abc"), specs(depth - 1), max_size=2)
        value = [
            {"_name": name.encode(errors="replace").decode(), **draw(inner)} for name in names
        ]
        value = list({option["_name"]: option for option in value}.values())
        kind = "choice"
    elif kind == "choice":
        value = draw(
            distinct().filter(lambda v: not any("_name" in o for o in v if isinstance(o, dict)))
        )
    elif kind == "layer_choice":
        value = draw(st.lists(st.sampled_from(["", "a", "b", 1]), min_size=1, max_size=4))
    elif kind == "input_choice":
        candidates = draw(st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=4))
        value = {"candidates": candidates, "n_chosen": draw(st.sampled_from([0, 1, [0, 1]]))}
    elif kind == "randint":
        low = draw(st.integers(-1000, 1000))
        value = [low, low + draw(st.integers(1, 1000))]
    elif "normal" in kind:
        value = [draw(st.floats(-10, 10)), draw(st.floats(0.01, 5))]
    else:
        value = list(draw(bounds(positive="log" in kind)))
    if kind[0] == "q":
        value.append(draw(quanta(*value)) if "uniform" in kind else draw(st.floats(0.01, 5)))
    return {"_type": kind, "_value": value}


@untimed
@given(st.dictionaries(st.text(max_size=6), specs(), min_size=1, max_size=4), st.data())
def test_a_space_survives_its_description_and_its_points(
    described: dict[str, Any], data: st.DataObject
) -> None:
    described = {name.encode(errors="replace").decode(): spec for name, spec in described.items()}
    space = load_space(described)
    check(space, data.draw(points(space)))


@untimed
@given(st.sampled_from(["uniform", "loguniform", "normal", "lognormal"]), st.data())
def test_continuous_values_come_back_to_their_coordinate(kind: str, data: st.DataObject) -> None:
    value = list(data.draw(bounds(positive="log" in kind)))
    if "normal" in kind:
        value = [data.draw(NUMBERS) / 1e5, data.draw(POSITIVE) / 1e5 + 0.01]
    (parameter,) = load_space({"x": {"_type": kind, "_value": value}})
    u = data.draw(st.floats(1e-5, 1 - 1e-5))
    value_ = parameter.decode(u)
    assert isinstance(value_, float)
    width = abs(value_) or 1.0
    spread = parameter.decode(1 - 1e-5)
    assert isinstance(spread, float)
    if kind in ("uniform", "normal") and abs(spread - float(str(parameter.decode(1e-5)))) < width:
        return  # twelve digits are too few to place a value in a narrow range so far from 0
    assert parameter.encode(value_) == pytest.approx(u, abs=1e-6)
