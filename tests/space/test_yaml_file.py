"""YAML without surprises, with libyaml and with the pure Python parser."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.errors import ConfigError, UsageError
from autofinetune.space import dump_yaml, parse_yaml, read_yaml, yaml_file
from autofinetune.space.yaml_file import read_named
from autofinetune.space.yaml_values import MAX_DEPTH

untimed = settings(deadline=None)


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(yaml_file, "LOADER", yaml.SafeLoader)


def value_of(text: str) -> Any:
    return parse_yaml(text.encode(), "a.yaml").value


def mistake_in(data: bytes) -> str:
    """The only mistake found in `data`, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml(data, "a.yaml")
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("a.yaml:")
    return mistake.removeprefix("a.yaml:")


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5), ("1E-5", 1e-5), ("1e5", 1e5), ("+1.5e+3", 1500.0), (".5", 0.5),
        ("1.", 1.0), ("-0.25", -0.25), ("0", 0), ("-7", -7), ("+7", 7), ("010", 10),
        ("1e400", math.inf), (".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf),
        ("9" * 500, math.inf), ("9" * 30, int("9" * 30)),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("FALSE", False),
        ("null", None), ("Null", None), ("~", None), ("", None), ("-", [None]),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("tRUE", "tRUE"),
        ("1:30", "1:30"), ("0x10", "0x10"), ("0o7", "0o7"), ("0b1", "0b1"), ("1_000", "1_000"),
        ("1e", "1e"), ("e5", "e5"), ("inf", "inf"), ("nan", "nan"), ("1.2.3", "1.2.3"),
        ("2020-01-01", "2020-01-01"), ("=", "="), ("'1'", "1"), ('"1e-5"', "1e-5"), ("'~'", "~"),
        ("''", ""), ("&anchor 5", 5), ("|\n  a\n  b\n", "a\nb\n"), (">\n  a\n  b\n", "a b\n"),
        ("[]", []), ("{}", {}), ("[1, [2]]", [1, [2]]), ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("1: x", {"1": "x"}), ("true: x", {"true": "x"}), ("? a\n: b", {"a": "b"}),
        ("? \n: x", {"": "x"}),
    ],
)  # fmt: skip
def test_a_value(text: str, value: object) -> None:
    found = value_of(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!float 1e-5", 1e-5), ("!!float 3", 3.0), ("!!float '2'", 2.0), ("!!int '3'", 3),
        ("!!int 0x10", 16), ("!!str 5", "5"), ("!!bool yes", True), ("!!bool 'false'", False),
        ("!!null ''", None), ("!!seq [1]", [1]), ("!!map {a: 1}", {"a": 1}), ("! 5", 5),
        ("{!!str 1: x}", {"1": "x"}), ("!<tag:yaml.org,2002:int> 7", 7),
    ],
)  # fmt: skip
def test_a_value_whose_tag_says_what_it_is(text: str, value: object) -> None:
    found = value_of(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[&x 1, *x]", [1, 1]),
        ("a: &x {b: [1]}\nc: *x", {"a": {"b": [1]}, "c": {"b": [1]}}),
        ("[&x 1, &x 2, *x]", [1, 2, 2]),
        ("[&x [&x 1], *x]", [[1], 1]),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}",
         {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ("- &x {p: 1}\n- &y {p: 2, q: 2}\n- {<<: [*x, *y], r: 3}",
         [{"p": 1}, {"p": 2, "q": 2}, {"p": 1, "q": 2, "r": 3}]),
        ("- &x {<<: {p: {q: 1}}}\n- {<<: *x}", [{"p": {"q": 1}}, {"p": {"q": 1}}]),
        ("{'<<': 1}", {"<<": 1}),
    ],
)  # fmt: skip
def test_aliases_and_merge_keys_are_written_out(text: str, value: object) -> None:
    assert value_of(text) == value


def test_a_copy_has_the_places_of_what_it_copies_and_is_its_own() -> None:
    document = parse_yaml(b"a: &x\n  - {b: 010}\nc: *x\nd:\n  <<: {e: [no]}\n", "a.yaml")
    assert document.where(("c", 0, "b")) == document.where(("a", 0, "b")) == "a.yaml:2:9"
    assert document.where(("d", "e", 0)) == "a.yaml:5:12"
    assert document.written[("c", 0, "b")] == "010"
    assert document.written[("d", "e", 0)] == "no"
    document.value["a"][0]["b"] = 1
    assert document.value["c"] == [{"b": 10}]


@pytest.mark.parametrize("word", ["lol", "l" * 90_000])
def test_aliases_that_grow_without_bound_are_refused(word: str) -> None:
    lines = [f"a0: &a0 [{word}]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    mistake = mistake_in("\n".join(lines).encode())
    assert "with aliases expanded; is it the right file?" in mistake
    merges = ["a0: &a0 {x: [y, y, y]}"]
    merges += [f"a{n}: &a{n} {{<<: *a{n - 1}, b{n}: *a{n - 1}}}" for n in range(1, 30)]
    assert "with aliases expanded" in mistake_in("\n".join(merges).encode())


def test_aliases_do_not_reach_greater_depth() -> None:
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 40))]
    assert "nested deeper than 32 levels" in mistake_in("\n".join(lines).encode())


def test_nan_is_a_number() -> None:
    assert math.isnan(value_of(".nan"))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"  ", b"# a remark\n", b"---\n", b"\xef\xbb\xbf"])
def test_an_empty_file_says_nothing_and_has_a_place(data: bytes) -> None:
    document = parse_yaml(data, "a.yaml")
    assert document.value is None
    assert document.where(()).startswith("a.yaml:")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_a_byte_order_mark_are_fine(end: str) -> None:
    data = "\ufeff" + end.join(["a: 1", "b:", "  - 2", ""])
    document = parse_yaml(data.encode(), "a.yaml")
    assert document.value == {"a": 1, "b": [2]}
    assert document.where(("b", 0)) == "a.yaml:3:5"


# --- places -------------------------------------------------------------------------------------


def test_where_every_value_stands() -> None:
    document = parse_yaml(b"# remark\na: 1\nlist:\n  - {x: 2, y: [3]}\n  - z\n", "a.yaml")
    places = {path: document.where(path) for path in document.places}
    assert places == {
        (): "a.yaml:2:1",
        ("a",): "a.yaml:2:4",
        ("list",): "a.yaml:4:3",
        ("list", 0): "a.yaml:4:5",
        ("list", 0, "x"): "a.yaml:4:9",
        ("list", 0, "y"): "a.yaml:4:15",
        ("list", 0, "y", 0): "a.yaml:4:16",
        ("list", 1): "a.yaml:5:5",
    }


def test_a_place_that_is_not_there_is_the_nearest_around_it() -> None:
    document = parse_yaml(b"a:\n  b: 1\n", "a.yaml")
    assert document.where(("a", "c", 7)) == "a.yaml:2:3"


# --- what is rejected ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: 1\nb: 2\na: 3", "3:1 key 'a' appears twice, first on line 1"),
        ("{a: 1, 'a': 2}", "1:8 key 'a' appears twice, first on line 1"),
        ("a: *x", "1:4 alias *x has no anchor before it"),
        ("&x [*x]", "1:5 alias *x is inside the value it refers to"),
        ("&x {a: [&x {b: *x}]}", "1:16 alias *x is inside the value it refers to"),
        ("[&x a, {*x : 1}]", "1:9 a key must be a plain word, not a list, mapping or alias"),
        ("a: 1\nb:\n  <<: 3", "3:3 a merge key (<<) takes a mapping or a list of mappings"),
        ("a: {<<: [{}, 1]}", "1:5 a merge key (<<) takes a mapping or a list of mappings"),
        ("a: {<<: {b: 1}, <<: {c: 1}}", "1:17 key '<<' appears twice, first on line 1"),
        ("a: !!int x", "1:4 'x' is not of type !!int"),
        ("a: !!int 1.5", "1:4 '1.5' is not of type !!int"),
        ("a: !!bool 1", "1:4 '1' is not of type !!bool"),
        ("a: !!float ''", "1:4 '' is not of type !!float"),
        ("a: !!seq {b: 1}", "1:4 tag '!!seq' is not supported here; write a plain value, or use"),
        ("a: !!int [1]", "1:4 tag '!!int' is not supported here"),
        ("a: !!set {x}", "1:4 tag '!!set' is not supported here"),
        ("{!!int 1: 1}", "1:2 tag '!!int' is not supported here"),
        ("a: !!python/object/apply:os.system [id]", "1:4 tag '!!python/object/apply:os.system'"),
        ("!mine {a: 1}", "1:1 tag '!mine' is not supported here; write a plain value"),
        ("!a%1bb 1", r"1:1 tag '!a\x1bb' is not supported here"),
        ("a: 1\n---\nb: 2", "2:1 a second document begins here; only one is allowed"),
        ("--- a\n--- b\n--- c", "2:1 a second document begins here; only one is allowed"),
        ("? [a, b]\n: 1", "1:3 a key must be a plain word, not a list, mapping or alias"),
        ("{{a: 1}: 2}", "1:2 a key must be a plain word, not a list, mapping or alias"),
        ("a: [1, 2", "1:9 not valid YAML: "),
        ("a: [1, 2\n", "1:9 not valid YAML: "),
        ("b: 1\na: 'x\n", "2:6 not valid YAML: found unexpected end of stream"),
        ("a: b: c", "1:5 not valid YAML: mapping values are not allowed"),
        ("a: 'x", "not valid YAML: found unexpected end of stream"),
        ("a:\n\t- b", "2:1 not valid YAML: found character"),
        ("a: @b", "1:4 not valid YAML: found character"),
        ('a: "\\q"', "not valid YAML: found unknown escape character"),
        ("%YAML 9.9\n---\na", "not valid YAML: found incompatible YAML document"),
        ("]", "not valid YAML: "),
        ("- a\nb: 1", "2:1 not valid YAML: "),
    ],
)  # fmt: skip
def test_what_is_not_supported(text: str, mistake: str) -> None:
    assert mistake in mistake_in(text.encode())


@pytest.mark.parametrize(
    ("data", "mistake"),
    [
        (b"a: \x00", "1:4 not valid YAML: "),
        (b"a: 1\nb: x\x01y", "2:5 not valid YAML: "),
        ("# 参数参数参数\n# 参数\nk: \x1b[2J\n\n\n\n\n\n".encode(), "3:4 not valid YAML: "),
        (b"a: \x7f", "1:4 not valid YAML: "),
        ("a: \ufffe".encode(), "1:4 not valid YAML: "),
        ("a: 1".encode("utf-16-le"), "1:2 not valid YAML: "),
        ("a: 1".encode("utf-16"), "1:1 not UTF-8 text; save it as UTF-8"),
        ("a: 1".encode("utf-32"), "1:1 not UTF-8 text; save it as UTF-8"),
        (b"a: 1\nb: \xe9t\xe9\n", "2:1 not UTF-8 text; save it as UTF-8"),
    ],
)
def test_what_is_not_text(data: bytes, mistake: str) -> None:
    assert mistake_in(data).startswith(mistake)


@pytest.mark.parametrize("opening", ["[", "[\n", "{a: ", "- ", "[{a: "])
def test_great_depth_is_refused(opening: str) -> None:
    start = (opening * 5000).encode()
    per_line = opening.count("\n") * 32
    assert mistake_in(start).endswith("nested deeper than 32 levels")
    assert mistake_in(start).startswith(f"{per_line + 1}:")


def test_the_greatest_depth_allowed() -> None:
    assert value_of("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert "deeper" in mistake_in(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize("data", [b"- 1\n" * 200_000, b"[" + b"1," * 200_000 + b"]"])
def test_too_many_values_are_refused(data: bytes) -> None:
    assert mistake_in(data).endswith("more than 20000 values; is it the right file?")


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match=r"a\.yaml:1:1 larger than 1 MiB"):
        read_yaml(path)
    path.write_bytes(b"a: 1 #" + b"#" * (1 << 19))
    assert read_yaml(path).value == {"a": 1}


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_yaml(Path("/dev/zero"))


@pytest.mark.parametrize("name", [".", "missing.yaml", "a\0b", "n" * 300])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot read") as caught:
        read_yaml(tmp_path / name)
    assert not isinstance(caught.value, ConfigError)
    assert caught.value.tip == "give the path of a YAML file that lists the hyperparameters"


# --- writing ------------------------------------------------------------------------------------

SPECIAL = " \n\t\r:-#'\"[]{}&*!|>%@`,?~<=\x85\u2028\u2029\ufeff\0\x7f0x1e.ay😀\uffff"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(
    SPECIAL, max_size=8
)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
plain_data = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts.filter(lambda text: text != "<<"), inner, max_size=3)
    ),
    max_leaves=8,
)


def typed(value: Any) -> Any:
    """Return the data with the type of each leaf, so that 1, 1.0 and True differ."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return type(value), value


class TestWriting:
    @untimed
    @given(plain_data)
    def test_what_is_written_is_read_back(self, value: Any) -> None:
        assert typed(value_of(dump_yaml(value))) == typed(value)

    def test_writing_is_readable(self) -> None:
        value = {"lr": 1e-5, "note": "é: 1", "on": True, "none": None, "s": "1e-5", "l": [1, "x"]}
        assert dump_yaml(value) == (
            "lr: 1.0e-05\nnote: 'é: 1'\n'on': true\nnone: null\ns: \"1e-5\"\nl:\n- 1\n- x\n"
        )

    def test_shared_values_are_written_out(self) -> None:
        shared = [1]
        assert value_of(dump_yaml({"a": shared, "b": shared})) == {"a": [1], "b": [1]}


def test_a_pipe_is_read_and_one_without_a_writer_is_empty(tmp_path: Path) -> None:
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)
    assert read_named(pipe, 9) == b""
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"a: 1\n")
    assert read_named(pipe, 5) == b"a: 1\n"
    os.close(writer)
    with pytest.raises(OSError, match="No such file"):
        read_named(tmp_path / "missing", 9)
