"""Command templates: every macro, and shell lines."""

from __future__ import annotations

import pytest

from autofinetune.config.commands import (
    Given,
    beginning,
    expand,
    is_shell_line,
    len_of_shell_line,
    literal,
    of_line,
    unknown_macro,
)

NESTED = {"lr": 0.1, "amp": True, "bias": False, "none": None, "opt": {"name": "a b", "k": [1, 2]}}
GIVEN = Given(
    interpreter="/usr/bin/python3",
    flat={"lr": 0.1, "amp": True, "opt.name": "a b", "opt.k": [1, 2]},
    nested=NESTED,
    json_file="/out/params.json",
    model_options=["--saved_params_dir=/out/m"],
    environ={"DATA": "/data", "EMPTY": ""},
)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("python3", ["python3"]),
        ("${env}", ["/usr/bin/env"]),
        ("${interpreter}", ["/usr/bin/python3"]),
        ("${args}", ["--lr=0.1", "--amp=True", "--bias=False", "--none=None",
                     "--opt={'name': 'a b', 'k': [1, 2]}"]),
        ("${args_no_equals}", ["--lr", "0.1", "--amp", "True", "--bias", "False",
                               "--none", "None", "--opt", "{'name': 'a b', 'k': [1, 2]}"]),
        ("${args_no_hyphens}", ["lr=0.1", "amp=True", "opt.name=a b", "opt.k=[1, 2]"]),
        ("${args_no_boolean_flags}", ["--lr=0.1", "--amp", "--none=None",
                                      "--opt={'name': 'a b', 'k': [1, 2]}"]),
        ("${args_append_hydra}", ["+lr=0.1", "+amp=True", "+opt.name=a b", "+opt.k=[1, 2]"]),
        ("${args_override_hydra}",
         ["++lr=0.1", "++amp=True", "++opt.name=a b", "++opt.k=[1, 2]"]),
        ("${args_json}", ['{"lr": 0.1, "amp": true, "bias": false, "none": null, '
                          '"opt": {"name": "a b", "k": [1, 2]}}']),
        ("${args_json_file}", ["/out/params.json"]),
        ("${hyperparameters}", ["--lr=0.1", "--amp=True", "--opt.name=a b", "--opt.k=[1, 2]"]),
        ("${model_options}", ["--saved_params_dir=/out/m"]),
        ("--data=${envvar:DATA}/x", ["--data=/data/x"]),
        ("${envvar:DATA}${envvar:EMPTY}${envvar:NONE}", ["/dataNONE"]),
        ("${envvar:}", [""]),
        ("--lr=${hparam:lr}", ["--lr=0.1"]),
        ("${hparam:opt.name}/${hparam:opt.k} ${hparam:inactive}|", ["a b/[1, 2] |"]),
        ("$${hparam:lr}", ["${hparam:lr}"]),
        ("$${args}", ["${args}"]),
        ("a$${envvar:DATA}${envvar:DATA}", ["a${envvar:DATA}/data"]),
        ("x${args}", ["x${args}"]),
        ("--lr=${interpreter}", ["--lr=${interpreter}"]),
    ],
)  # fmt: skip
def test_a_macro(template: str, words: list[str]) -> None:
    assert list(expand([template], GIVEN)) == words


@pytest.mark.parametrize("word", ["${args}", "$${args}", "a ${envvar:DATA} $$${", "$ {", "plain"])
def test_a_literal_word_is_handed_over_as_it_is(word: str) -> None:
    assert unknown_macro(literal(word)) == ""
    assert expand([literal(word)], GIVEN) == (word,)


def test_the_default_command_of_a_sweep() -> None:
    words = expand(["${env}", "${interpreter}", "train.py", "${args}"], GIVEN)
    assert words[:4] == ("/usr/bin/env", "/usr/bin/python3", "train.py", "--lr=0.1")


def test_the_beginning_is_what_all_trials_have_in_common() -> None:
    template = ["${env}", "${interpreter}", "x.py", "--data=${envvar:DATA}", "${args}", "more"]
    assert beginning(template, GIVEN) == (
        "/usr/bin/env", "/usr/bin/python3", "x.py", "--data=/data"
    )  # fmt: skip
    assert beginning(["x.py", "--lr=${hparam:lr}", "more"], GIVEN) == ("x.py",)
    assert beginning(["x.py", "$${hparam:lr}"], GIVEN) == ("x.py", "${hparam:lr}")
    assert beginning(["python3", "x.py"], GIVEN) == ("python3", "x.py")


def test_an_unknown_macro_is_told_with_what_was_meant() -> None:
    assert "did you mean '${args_no_hyphens}'" in unknown_macro("${args_no_hyphen}")
    for word in ("${args}", "${envvar:X}", "$HOME", "a ${unknown} b", "${hyperparameters}",
                 "${hparam:x}"):  # fmt: skip
        assert unknown_macro(word) == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python3 mnist.py", ("python3", "mnist.py")),
        ("  python3  'a b.py' --x=\"1 2\" ", ("python3", "a b.py", "--x=1 2")),
        ("env A=1 python3 x.py", ("env", "A=1", "python3", "x.py")),
    ],
)
def test_a_plain_line_is_divided(line: str, words: tuple[str, ...]) -> None:
    assert of_line(line) == words
    assert not is_shell_line(words)


@pytest.mark.parametrize(
    "line",
    ["cd x && python3 y.py", "python3 y.py > log", "A=1 python3 y.py", "python3 $HOME/y.py",
     "python3 *.py", "python3 y.py; true", "python3 `which y`", "python3 a\\ b.py", "~/y.py",
     "python3 y.py\necho done", "python3 y.py # fast"],
)  # fmt: skip
def test_a_line_for_a_shell_is_left_to_it(line: str) -> None:
    assert of_line(line) == ("bash", "-c", line)
    assert is_shell_line(of_line(line))


@pytest.mark.parametrize("line", ["exec python3 y.py", ". ./setup", "time python3 y.py"])
def test_a_word_of_the_shell_is_no_program(line: str) -> None:
    assert of_line(line) == ("bash", "-c", line)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["bash", "-c", "x"], 3), (["/bin/sh", "-ec", "x", "more"], 3), (["bash", "-lc", "x"], 3),
        (["bash", "-e", "-c", "x"], 4), (["bash", "-eo", "pipefail", "-c", "x"], 5),
        (["bash", "--norc", "-c", "x"], 4), (["bash", "run.sh"], 0), (["bash", "-c"], 0),
        (["bash", "run.sh", "-c", "x"], 0), (["python3", "-c", "x"], 0), (["bash"], 0), ([], 0),
    ],
)  # fmt: skip
def test_a_line_is_found_behind_the_options_of_its_shell(words: list[str], count: int) -> None:
    assert len_of_shell_line(words) == count
    assert is_shell_line(words) == (count > 0)


def test_an_open_quotation_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="No closing quotation"):
        of_line("python3 'x.py")
