"""Hydra sweepers: the search that they describe."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.errors import ConfigError
from autofinetune.manifests import Manifest, read_manifest, read_search

from .helpers import HYDRA, swap


def search(folder: Path, text: str, *given: str) -> Manifest:
    (folder / "config.yaml").write_text(text)
    found = read_search(folder / "config.yaml", given=dict.fromkeys(given, "x"))
    assert found is not None
    return found


def test_the_optuna_sweeper(tmp_path: Path) -> None:
    found = search(tmp_path, HYDRA)
    options = dict(found.options)
    assert [entry["name"] for entry in options.pop("param_list")] == [
        "optimizer.lr", "model.layers", "model.dropout", "optimizer.name", "epochs",
    ]  # fmt: skip
    assert options == {
        "evaluator": "fulltrail",
        "max_trials": 12,
        "max_parallel": 2,
        "direction": "minimize",
        "seed": 123,
        "tuning_strategy": "tpe",
        "strategy_options": {},
    }
    assert found.notes == ()


def test_what_is_not_said_is_as_the_sweeper_has_it(tmp_path: Path) -> None:
    text = "hydra: {sweeper: {sampler: {}, params: {x: 'interval(0, 1)'}}}\n"
    options = search(tmp_path, text).options
    assert (options["direction"], options["max_trials"]) == ("minimize", 20)
    assert "max_parallel" not in options


@pytest.mark.parametrize(
    ("sampler", "strategy", "note"),
    [
        ("_target_: optuna.samplers.TPESampler", "tpe", ""),
        ("_target_: optuna.samplers.CmaEsSampler", "hazero", "optuna:CmaEsSampler is the same"),
        ("_target_: my.Own", "tpe", "the sampler 'Own' is not supported; tpe is used instead"),
        ("n_ei_candidates: 30, x: 1, multivariate: null", "tpe", "sampler.x has no effect here"),
    ],
)
def test_samplers(tmp_path: Path, sampler: str, strategy: str, note: str) -> None:
    found = search(
        tmp_path, swap(HYDRA, "    sampler:\n      seed: 123", f"    sampler: {{{sampler}}}")
    )
    assert found.options["tuning_strategy"] == strategy
    assert any(note in one for one in found.notes) if note else found.notes == ()
    if "n_ei" in sampler:
        assert found.options["strategy_options"] == {"n_ei_candidates": "30"}


def test_a_sampler_of_the_defaults_list(tmp_path: Path) -> None:
    text = swap(HYDRA, "sampler: tpe", "sampler: random")
    assert search(tmp_path, text).options["tuning_strategy"] == "random"


def test_the_basic_sweeper_goes_through_all(tmp_path: Path) -> None:
    text = "hydra:\n  mode: MULTIRUN\n  sweeper: {params: {a: '1,2', b: 'range(0, 3)'}}\n"
    options = search(tmp_path, text).options
    assert (options["tuning_strategy"], options["max_trials"]) == ("grid", 6)
    assert "direction" not in options


@pytest.mark.parametrize(
    ("old", "new", "why", "option"),
    [
        ("minimize", "[minimize, maximize]", "direction names 2 objectives", "direction"),
        ("minimize", "${mode}", "'${mode}' is known only when the application", "direction"),
        ("minimize", "lower", "direction 'lower' is unknown", "direction"),
        ("n_jobs: 2", "custom_search_space: m.f", "custom_search_space is code that draws", ""),
        ("hydra/sweeper: optuna", "hydra/sweeper: ax", "the sweeper 'ax' is not supported", ""),
        ("n_trials: 12", "n_trials: many", "n_trials must be a whole number", ""),
    ],
)
def test_a_mistake(tmp_path: Path, old: str, new: str, why: str, option: str) -> None:
    text = swap(HYDRA, old, new)
    with pytest.raises(ConfigError) as caught:
        search(tmp_path, text)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{tmp_path}/config.yaml:")
    assert why in mistake
    if option:
        assert option not in search(tmp_path, text, option).options


def test_what_is_put_in_from_elsewhere_is_told(tmp_path: Path) -> None:
    found = search(tmp_path, swap(HYDRA, "seed: 123", "seed: ${seed}"))
    assert "seed" not in found.options
    (note,) = found.notes
    assert "'${seed}' is known only when the application is configured" in note
    one = search(tmp_path, swap(HYDRA, "minimize", "[maximize]"))
    assert one.options["direction"] == "maximize"


def test_it_names_no_script(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(HYDRA)
    with pytest.raises(ConfigError, match="a Hydra configuration names no script") as caught:
        read_manifest(tmp_path / "config.yaml")
    assert caught.value.tip == (
        f"give the script first: autofinetune train.py --param_file={tmp_path}/config.yaml "
        "--gpu=auto"
    )
