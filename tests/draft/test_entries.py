"""Which options are searched, proposed or left out."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.draft.entries import MOST_ACTIVE, drafted
from autofinetune.draft.option import FLAG, UNKNOWN, ScriptOption


def option(name: str, kind: Any = "float", default: Any = 0.1, **more: Any) -> ScriptOption:
    return ScriptOption(name, kind=kind, default=default, **more)


def reason(one: ScriptOption, *others: ScriptOption) -> str:
    """Return why an option is not searched; empty if it is."""
    draft = drafted([one, *(others or (option("lr"),))])
    left_out = {found.name: why for found, why in draft.left_out}
    inactive = {entry.option.name: entry.inactive for entry in draft.entries}
    return left_out.get(one.name, inactive.get(one.name, ""))


def test_the_most_important_ones_are_searched_in_their_order() -> None:
    names = ["eps", "beta1", "heads", "layers", "hidden", "dropout", "optimizer", "batch_size",
             "weight_decay", "lr"]  # fmt: skip
    options = [option(name) for name in ("eps", "beta1")]
    options = [option("eps", default=1e-8), option("beta1", default=0.9)]
    options += [option(name, "int", 4) for name in ("heads", "layers", "hidden", "batch_size")]
    options += [option(name) for name in ("dropout", "weight_decay", "lr")]
    options.append(option("optimizer", "str", "sgd", choices=("sgd", "adam")))
    draft = drafted(options)
    found = [entry.option.name for entry in draft.active]
    assert len(found) == MOST_ACTIVE
    assert found == sorted(names, key=names.index, reverse=True)[:MOST_ACTIVE]
    assert [e.option.name for e in draft.entries if e.inactive] == ["beta1", "eps"]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (option("lr"), ""),
        (option("lr", obstacle=FLAG), "flag"),
        (option("epochs", "int", 10), "keep it fixed"),
        (option("model", "str", "a", choices=("a", "b")), "model"),
        (option("mode", "str", "a", choices=("a", "b")), "no rule knows"),
        (option("optimizer", "str", "sgd"), "possible values"),
        (option("foo"), "no rule knows"),
        (option("foo", "bool", True), "switch"),
        (option("lr", "bool", True), "switch"),
        (option("nesterov", "bool", True), ""),
        (option("foo", "int", 1), "no rule knows"),
        (option("lr", default=-1.0), "no usual range"),
        (option("layers", "int", 2.5), "not a number as its type says"),
        (option("layers", "int", "2,2"), "not a number as its type says"),
        (option("batch_size", "int", UNKNOWN), "computed by the script"),
        (option("foo", default=UNKNOWN), "computed by the script"),
        (option("clip", default=None), "no default"),
        (option("größe-lr"), "cannot have this name"),
        (option("heads", "int", 8, choices=("x", "y")), "not numbers"),
        (option("heads", "int", 8, choices=(8,)), "1 choices"),
    ],
)
def test_why_an_option_is_not_searched(one: ScriptOption, why: str) -> None:
    assert why in reason(one, option("dropout"))
    assert bool(why) == bool(reason(one, option("dropout")))


def test_a_hyperparameter_without_a_default_gets_the_usual_value() -> None:
    (entry,) = drafted([option("learning_rate", default=None)]).active
    assert entry.fields["init_value"] == 0.001


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (option("lr", default=None, text="overrides lr-base"), option("momentum", default=0.9)),
        (option("lr", default=None), option("lr-base")),
    ],
)
def test_unless_another_option_decides(one: ScriptOption, other: ScriptOption) -> None:
    assert "the script decides" in reason(one, other)


def test_without_anything_known_guesses_are_searched() -> None:
    (entry,) = drafted([option("foo"), option("bar", default=None)]).active
    assert (entry.option.name, entry.fields["greater_than"]) == ("foo", 0.05)
    draft = drafted([option("lr", default=None, text="overridden")])
    assert [entry.option.name for entry in draft.active] == ["lr"]
    assert drafted([option("seed", "int", 1)]).active == []
    assert drafted([]).entries == []


def test_choices_keep_the_types_of_the_script() -> None:
    (entry,) = drafted([option("heads", "int", 8, choices=(4, 8))]).active
    assert entry.fields["choices"] == [4, 8]
    (entry,) = drafted([option("optimizer", "str", "1", choices=("1", "adam"))]).active
    assert entry.fields["choices"] == ["1", "adam"]
