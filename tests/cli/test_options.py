"""Splitting the command line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autofinetune.cli.options import (
    Parser,
    Words,
    divide,
    parse_run,
    run_parser,
)
from autofinetune.errors import UsageError

VALUES = (
    "param_file", "gpu", "popsize", "round", "output_dir", "evaluator", "tuning_strategy", "seed",
    "direction", "warm_args", "trial_timeout", "trials_per_gpu", "gpus_per_trial",
    "ranks_per_trial", "cpus_per_trial",
)  # fmt: skip
FLAGS = ("skip_preflight", "dry_run")


def parse(*words: str) -> dict[str, Any]:
    """Return the options that were given, without flags that were not."""
    return {name: value for name, value in parse_run(words).items() if value is not False}


def refusal(*words: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse_run(words)
    return caught.value


# --- our options --------------------------------------------------------------------------------


def test_the_documented_command() -> None:
    line = (
        "train.py --param_file=hparam.yaml --gpu=0,1 --popsize=5 --round=10 --output_dir=result/ "
        "--evaluator=fulltrail --tuning_strategy=pshe2 max_seq_len 128"
    )
    assert parse(*line.split()) == {
        "script": "train.py", "param_file": "hparam.yaml", "gpu": "0,1", "popsize": "5",
        "round": "10", "output_dir": "result/", "evaluator": "fulltrail",
        "tuning_strategy": "pshe2", "script_args": ("max_seq_len", "128"),
    }  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("spelling", ["--{}=x", "--{} x"])
@pytest.mark.parametrize("hyphens", [False, True])
@pytest.mark.parametrize("script_first", [False, True])
def test_every_way_to_give_a_value(
    name: str, spelling: str, hyphens: bool, script_first: bool
) -> None:
    words = spelling.format(name.replace("_", "-") if hyphens else name).split()
    line = ["train.py", *words] if script_first else [*words, "train.py"]
    assert parse(*line) == {"script": "train.py", name: "x"}


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("hyphens", [False, True])
def test_every_way_to_give_a_flag(name: str, hyphens: bool) -> None:
    word = f"--{name.replace('_', '-') if hyphens else name}"
    assert parse("train.py", word) == parse(word, "train.py") == {"script": "train.py", name: True}


def test_options_stand_before_and_after_the_script() -> None:
    assert parse("--gpu", "0", "--dry-run", "train.py", "--round", "3", "a", "1") == {
        "gpu": "0", "dry_run": True, "script": "train.py", "round": "3", "script_args": ("a", "1"),
    }  # fmt: skip


@pytest.mark.parametrize("value", ["-1", "-", "--gpu", "-x y", "", "a=b", "$(id)", "é😀\n"])
def test_the_word_after_an_option_is_its_value(value: str) -> None:
    assert parse("train.py", "--seed", value, "--round", "2") == {
        "script": "train.py", "seed": value, "round": "2",
    }  # fmt: skip
    assert parse(f"--seed={value}", "train.py")["seed"] == value


def test_the_last_of_two_equal_options_counts() -> None:
    assert parse("train.py", "--seed=1", "--seed", "2")["seed"] == "2"


def test_nothing_is_nothing() -> None:
    assert parse() == {}
    assert parse("--gpu=0") == {"gpu": "0"}


# --- arguments for train.py ---------------------------------------------------------------------


def test_everything_from_the_second_plain_word_on_is_the_scripts() -> None:
    assert parse("train.py", "--gpu=0", "a", "-1", "--amp", "--lr_decay", "0.5") == {
        "script": "train.py", "gpu": "0", "script_args": ("a", "-1", "--amp", "--lr_decay", "0.5"),
    }  # fmt: skip


def test_everything_after_two_dashes_is_the_scripts() -> None:
    found = parse("train.py", "--gpu=0", "--", "--amp", "--gpu=1", "--help")
    assert found == {
        "script": "train.py", "gpu": "0", "script_args": ("--", "--amp", "--gpu=1", "--help"),
    }  # fmt: skip


def test_two_dashes_after_pairs_release_our_names() -> None:
    assert parse("train.py", "a", "1", "--", "--seed=3")["script_args"] == (
        "a", "1", "--", "--seed=3",
    )  # fmt: skip


def test_two_dashes_before_the_script_leave_none() -> None:
    assert parse("--gpu=0", "--", "train.py") == {"gpu": "0", "script_args": ("--", "train.py")}


@pytest.mark.parametrize("word", ["--gpu=1", "--gpu", "--output-dir=x", "--dry-run", "--help"])
def test_our_options_among_the_scripts_are_refused(word: str) -> None:
    error = refusal("train.py", "--gpu=0", "max_seq_len", "128", word)
    assert error.message == (
        f"{word} comes after 'max_seq_len', where everything is passed to train.py"
    )
    assert error.tip == (
        "put it before 'max_seq_len'; to pass it to train.py, put it after a bare --"
    )


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("--popsiz=3", " (did you mean --popsize?)"),
        ("--param-files=x", " (did you mean --param-file?)"),
        ("--strategy=x", " (did you mean --tuning_strategy?)"),
        ("--zzz", ""),
        ("-g", ""),
        ("-", " (did you mean -h?)"),
        ("--dryrun", " (did you mean --dry_run?)"),
    ],
)
def test_an_unknown_option_is_refused_with_a_guess(word: str, guess: str) -> None:
    error = refusal("train.py", word)
    assert error.message == f"unrecognized arguments: {word}{guess}"
    assert (error.tip or "").startswith("see autofinetune --help; options of train.py come last")


def test_options_of_paddlehub_1_2_name_their_successors() -> None:
    error = refusal("train.py", "--cuda=['0']", "--popsize=2", "--evaluate_choice=fulltrail")
    assert "--cuda is now --gpu (such as --gpu=0,1)" in error.message
    assert "--evaluate_choice is now --evaluator" in error.message


def test_an_unknown_option_is_told_before_what_follows_it() -> None:
    error = refusal("train.py", "--popsiz", "3", "--gpu=0")
    assert error.message == "unrecognized arguments: --popsiz (did you mean --popsize?)"


@pytest.mark.parametrize("word", ["--param=x", "--gp=0", "--pop=3", "--dry", "--skip"])
def test_abbreviations_are_refused(word: str) -> None:
    assert refusal("train.py", word).message.startswith(f"unrecognized arguments: {word}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gpu"], "expected one argument"),
        (["--param_file=x", "--seed"], "expected one argument"),
        (["--dry-run=1"], "ignored explicit argument '1'"),
    ],
)
def test_a_value_too_few_or_too_many(words: list[str], message: str) -> None:
    assert message in refusal("train.py", *words).message


# --- splitting ----------------------------------------------------------------------------------


def parts(words: list[str]) -> list[str]:
    return [part for word in words for part in word.split("=")]


def test_words_are_divided() -> None:
    line = ["--gpu", "0", "train.py", "--dry-run", "a", "--b"]
    assert divide(run_parser(), line) == Words(
        ("--gpu=0", "--dry-run"), "train.py", ("a", "--b")
    )  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(["--gpu", "0", "--seed=1", "--dry-run", "t.py", "--", "-x", ""])))
def test_no_word_is_lost(line: list[str]) -> None:
    words = divide(run_parser(), line)
    script = [] if words.script is None else [words.script]
    ours = line[: len(line) - len(words.rest)]
    assert [*ours, *words.rest] == line
    assert sorted(parts([*words.options, *script])) == sorted(parts(ours))


@settings(deadline=None)
@given(st.lists(st.text(max_size=6) | st.sampled_from(["--gpu", "--seed=1", "--dry-run", "--"])))
def test_any_line_is_parsed_or_refused(line: list[str]) -> None:
    try:
        parse_run([word for word in line if not word.startswith(("-h", "--h"))])
    except UsageError as error:
        assert error.message


# --- help ---------------------------------------------------------------------------------------


def test_help_names_every_option_in_both_spellings() -> None:
    text = run_parser().format_help()
    for name in (*VALUES, *FLAGS):
        assert f"--{name}" in text
        assert f"--{name.replace('_', '-')}" in text


def test_another_parser_names_its_own_help() -> None:
    parser = Parser("report-final")
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["--x"])
    assert caught.value.tip == "see autofinetune report-final --help"
