"""Functions that define a space, as for Optuna."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.errors import UsageError
from autofinetune.space.define import read_defined


def entries(define: Any) -> dict[str, dict[str, Any]]:
    found: Any = read_defined(define).space.describe()["param_list"]
    return {one.pop("name"): one for one in found}


class Net: ...


class Wide: ...


def space(trial: Any) -> None:
    trial.suggest_float("lr", 1e-4, 1, log=True)
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", "rms"])
    if optimizer != "adam":
        trial.suggest_float("momentum", 0, 0.9, step=0.1)
    if trial.suggest_categorical("net", [Net, Wide]) is Wide:
        if trial.suggest_categorical("deep", (True, False)):
            trial.suggest_int("depth", 2, 9)
        trial.suggest_int("width", 8, 8)
    trial.suggest_int("batch", 8, 64, step=8)


def test_branches_become_conditions() -> None:
    found = entries(space)
    assert list(found) == [
        "lr", "optimizer", "momentum", "net", "batch", "deep", "depth", "width",
    ]  # fmt: skip
    assert (found["lr"]["log"], found["batch"]["step"]) == (True, 8)
    assert found["momentum"]["only_if"] == {"optimizer": ["sgd", "rms"]}
    assert found["deep"]["only_if"] == found["width"]["only_if"] == {"net": "Wide"}
    assert found["depth"]["only_if"] == {"deep": True}
    assert found["width"]["choices"] == [8]
    defined = read_defined(space)
    assert defined.objects == {("net",): {"Net": Net, "Wide": Wide}}
    assert defined.compute is None
    assert defined.in_every_trial == {"lr", "optimizer", "net", "batch"}


def test_the_names_of_older_versions_are_known() -> None:
    def old(trial: Any) -> dict[str, Any]:
        trial.set_user_attr("who", "me")
        return {
            "a": trial.suggest_uniform("a", 0, 1),
            "b": trial.suggest_loguniform("b", 0.1, 1),
            "c": trial.suggest_discrete_uniform("c", 0, 1, 0.25),
        }

    found = entries(old)
    assert (found["b"]["log"], found["c"]["step"]) == (True, 0.25)
    assert read_defined(old).compute is None  # it returns what it suggests


def test_many_independent_choices_are_no_branches() -> None:
    def wide(trial: Any) -> None:
        values = [trial.suggest_categorical(f"c{i}", list(range(5))) for i in range(20)]
        if values[3] in (1, 2):
            trial.suggest_float("x", 0, 1)

    assert entries(wide)["x"]["only_if"] == {"c3": [1, 2]}


def layers(trial: Any) -> None:
    for layer in range(trial.suggest_int("layers", 1, 3)):
        trial.suggest_int(f"units{layer}", 4, 64)


def bounded(trial: Any) -> None:
    trial.suggest_int("high", trial.suggest_int("low", 1, 5), 9)


def by_choice(trial: Any) -> None:
    trial.suggest_float("lr", 0, 1 if trial.suggest_categorical("o", ["a", "b"]) == "a" else 2)


def both(trial: Any) -> None:
    a, b = (trial.suggest_categorical(name, [1, 2]) for name in "ab")
    if a == b:
        trial.suggest_int("c", 1, 9)


def rare(trial: Any) -> None:
    values = [trial.suggest_categorical(f"c{i}", [1, 2, 3, 4]) for i in range(6)]
    if values[0] == values[1] == 2:
        trial.suggest_int("x", 1, 9)


def far(trial: Any) -> None:
    if 0.6 < trial.suggest_float("lr", 0, 1) < 0.9:
        trial.suggest_int("x", 1, 9)


def huge(trial: Any) -> None:
    trial.suggest_categorical("x", list(range(300)))


def reporting(trial: Any) -> None:
    trial.report(0.5, 1)


@pytest.mark.parametrize(
    ("define", "reason"),
    [
        (layers, r"layers\(\) suggests units[12] only for some values of a number"),
        (bounded, "the range or the choices of high depend on another value"),
        (by_choice, "the range or the choices of lr depend on another value"),
        (both, r"both\(\) suggests c only with several choices at once"),
        (rare, r"rare\(\) suggests x only with several choices at once"),
        (far, r"far\(\) suggests x only .*for some values of a number"),
        (huge, r"huge\(\) has more than 256 branches"),
        (reporting, "cannot be read as a space: AttributeError: .*report"),
        (lambda trial: None, "defines no space: it suggests no hyperparameter"),
        (lambda trial: 0.5, "defines a space, but returns float"),
        (lambda: None, "cannot be read as a space: TypeError"),
    ],
)
def test_what_a_space_cannot_express_is_refused(define: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_defined(define)


def test_computed_values_are_computed_again_in_the_trial() -> None:
    def computed(trial: Any) -> dict[str, Any]:
        found = {"lr": 10 ** trial.suggest_float("exponent", -4, 0)}
        if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
            found["momentum"] = 1 - trial.suggest_float("decay", 0.1, 1)
        return found

    defined = read_defined(computed)
    assert defined.compute is computed
    assert defined.arguments == {"lr", "momentum"}
    assert defined.in_every_trial == {"lr"}
    assert defined.space.names == ("exponent", "optimizer", "decay")


def test_a_function_may_return_a_space() -> None:
    assert entries(lambda trial: {"lr": (0.0, 1.0)}) == entries(
        lambda trial: {"method": "random", "parameters": {"lr": {"min": 0.0, "max": 1.0}}}
    )
