"""The search of a Katib experiment: algorithms, their settings and early stopping."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.errors import ConfigError
from autofinetune.manifests import read_manifest

from .helpers import KATIB, mistakes, notes, options_of, read


def by(algorithm: str, *settings: str) -> str:
    inside = "".join(f"\n      - {{{one}}}" for one in settings)
    start, end = KATIB.index("    algorithmName: tpe"), KATIB.index("  earlyStopping:")
    setting = f"    algorithmSettings:{inside}\n" if settings else ""
    return KATIB[:start] + f"    algorithmName: {algorithm}\n{setting}" + KATIB[end:]


@pytest.mark.parametrize(
    ("algorithm", "strategy", "told"),
    [
        ("random", "random", ""),
        ("bayesianoptimization", "gp", ""),
        ("cmaes", "hazero", ""),
        ("sobol", "random", "optuna:QMCSampler"),
        ("multivariate-tpe", "tpe", "optuna:TPESampler --strategy_options=multivariate=true"),
        ("pbt", "pbt", "pbt: passes no checkpoints on here"),
    ],
)
def test_algorithms(tmp_path: Path, algorithm: str, strategy: str, told: str) -> None:
    assert options_of(tmp_path, by(algorithm))["tuning_strategy"] == strategy
    assert any(told in note for note in notes(tmp_path, by(algorithm)))


def test_settings(tmp_path: Path) -> None:
    text = by("tpe", "name: gamma, value: '0.3'", "name: x, value: 3")
    assert options_of(tmp_path, text)["strategy_options"] == {"gamma": "0.3"}
    assert any(
        "algorithmSettings[1].name x has no effect here" in n for n in notes(tmp_path, text)
    )
    (mistake,) = mistakes(tmp_path, by("tpe", "name: gamma, value: many"))
    assert "algorithmSettings[0].value of gamma must be a number" in mistake


def test_hyperband_trains_all_and_stops_most(tmp_path: Path) -> None:
    text = by("hyperband", "name: resource_name, value: layers", "name: r_l, value: '9'")
    text = text[: text.index("  earlyStopping:")] + text[text.index("  parallelTrialCount:") :]
    options = options_of(tmp_path, text)
    assert options["param_list"][-1] == {"name": "layers", "type": "constant", "value": 9} or {
        "name": "layers", "type": "constant", "value": 9
    } in options["param_list"]  # fmt: skip
    assert options["assessor_options"] == {"max_steps": "9", "eta": "3"}
    (mistake,) = mistakes(tmp_path, by("hyperband"))
    assert "of hyperband must contain resource_name and r_l" in mistake
    wrong = by("hyperband", "name: resource_name, value: layer", "name: r_l, value: '9'")
    (mistake,) = mistakes(tmp_path, wrong)
    assert "resource_name 'layer' is not a parameter (did you mean 'layers'?)" in mistake


def test_an_option_takes_the_place_of_an_algorithm(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, by("darts"))
    assert "'darts' searches architectures with Katib's own images" in caught.value.mistakes[0]
    assert caught.value.tip == (
        f"to run it anyway: autofinetune run {tmp_path}/m.yaml --tuning_strategy=tpe"
    )
    assert read_manifest(tmp_path / "m.yaml", check_files=False, given={"tuning_strategy": "tpe"})
