"""Hydra overrides: names, values of every type, and Hydra's own flags among the words."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.config.passing import as_overrides, hydra_value, overrides


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "0.001"), (1e-05, "1e-05"), (3, "3"), (True, "True"), (None, "null"),
        ("adam", "adam"), ("a/b.c", "a/b.c"), ("1", "'1'"), ("1e-3", "'1e-3'"),
        ("true", "'true'"), ("a b", "'a b'"), ("c,d", "'c,d'"), ("it's", r"'it\'s'"),
        ("a=b", "'a=b'"), ("", "''"), ("a\\", r"'a\\'"), (r"a\'b", r"'a\\\'b'"),
        ([1, "a b"], "[1,'a b']"), ({"k": 1}, "{k:1}"),
    ],
)  # fmt: skip
def test_values(value: Any, text: str) -> None:
    assert hydra_value(value) == text


def test_hyperparameters_inside_others_have_dots() -> None:
    nested = {"lr": 0.1, "optimizer": {"name": "sgd", "inner": {"momentum": 0.9}}}
    assert overrides(nested) == ["lr=0.1", "optimizer.name=sgd", "optimizer.inner.momentum=0.9"]


def test_words_for_the_script_become_overrides_and_flags_of_hydra_stay() -> None:
    words = ["--seed=1", "--+new=2", "--~gone", "--config-name=other", "--config-dir=conf"]
    assert as_overrides(words) == [
        "seed=1", "+new=2", "--~gone", "--config-name=other", "--config-dir=conf"
    ]  # fmt: skip
