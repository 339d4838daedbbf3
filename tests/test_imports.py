"""The layers: an import goes down only, never sideways, and heavy packages have one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import autofinetune

ROOT = Path(autofinetune.__file__).parent
LAYERS = {
    "version": 0, "errors": 0, "defaults": 0, "masking": 0, "report": 0, "trial": 0.2,
    "trial.layer": 0.4, "trial.boot.sitecustomize": 0.8, "trial.standins.nni": 0.8,
    "trial.standins.nni.utils": 0.8, "trial.standins.t9k.tuner": 0.8,
    "runner": 0.6, "nvml": 0,
    "notices": 0, "copying": 0, "terminal": 0, "directory": 0.5, "preload": 1, "nni": 0.5,
    "space": 1, "recorded": 2, "events": 1.5, "paths": 1,
    "options": 1, "curves": 1, "run_state": 1, "trials": 1.5,
    "state": 2, "journal": 2, "safety": 2.2, "placement": 2.2, "config": 2.5,
    "scoring": 2.2, "configure": 2.6,
    "commands": 1.5, "passing": 1.5, "program": 2.2, "manifests": 5.5,
    "manifests.reader": 5, "manifests.arguments": 5.05, "manifests.budgets": 5.07,
    "manifests.search": 5.1, "manifests.volumes": 5.1,
    "manifests.patterns": 5, "manifests.pods": 5.05,
    "cli.parts": 6, "cli.directories": 6.1, "cli.sources": 6.1,
    "cli.presence": 6, "cli.script_source": 6, "cli.recognition": 6.1,
    "strategies.base": 2, "assessors.base": 2, "evaluators.base": 3, "executors.base": 2,
    "sinks.base": 2.5,
    "executors.cards": 2.5, "executors.lease": 2.5, "executors.devices": 3,
    "executors.slots": 3.2, "executors.card_memory": 3,
    "executors.forks": 3, "executors.records": 3.2, "executors.start": 3, "executors.patience": 3,
    "executors.reports": 3, "executors.hand_over": 2.9,
    "strategies.population": 2.5, "strategies.members": 2.2,
    "strategies.explore": 2.5, "strategies.turns": 2.3,

    "strategies.history": 2.3, "strategies.policy": 2.3,
    "strategies.design": 1.5, "strategies.options": 1.5,
    "evaluators": 4, "executors": 4, "assessors": 4, "assessors.halving": 2.5,
    "stopping": 4.5, "strategies": 4, "sinks": 4, "scheduler": 3,
    "sinks.visualdl": 3, "sinks.gate": 3, "sinks.records": 3, "sinks.best_model": 3,
    "verdict": 4.5, "overview": 4.5, "prior": 4.5, "lineage": 4.5, "search": 4.5,
    "visible": 0, "fields": 0.5, "whereabouts": 4.5,
    "attempts": 4.5, "world": 1, "endings": 4.8, "limits": 4.8, "tuner": 5,
    "cli": 6, "cli.options": 6, "cli.preflight": 6.1, "cli.words": 6, "cli.preload": 6.1,
    "cli.signals": 6, "cli.run": 6.2,
    "__main__": 7, "": 0.5,
}  # fmt: skip
DEFAULT_IN_FOLDER = {
    "integration": 0.3, "trial": 0.2, "runner": 0.6,
    "space": 1, "surrogate": 2, "strategies": 3, "assessors": 3,
    "evaluators": 3.5, "executors": 3.5, "sinks": 3.5, "manifests": 5.2, "cli": 6.5,
}  # fmt: skip
ONLY_IN = {
    "subprocess": {
        "executors.cards",
        "executors.forks",
        "executors.local",
        "executors.preflight",
        "executors.start",
    },
    "visualdl": {"sinks.visualdl", "sinks.board"},
    "yaml": {"space.yaml_file"},
    "cma": {"strategies.hazero"},
    "optuna": {"strategies.optuna_samplers"},
    "pynvml": {"nvml"},
    "sqlite3": {"journal"},
    "pickle": set(),
    "multiprocessing": set(),
}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def layer(name: str) -> float:
    if name in LAYERS:
        return LAYERS[name]
    return DEFAULT_IN_FOLDER[name.partition(".")[0]]


def imports(path: Path) -> Iterator[str]:
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(filter(None, ["autofinetune", package, base]))
            yield from (_target(base, alias.name) for alias in node.names)


def _target(base: str, name: str) -> str:
    """`from package import module` means the module, `from module import thing` the module."""
    inner = f"{base}.{name}".removeprefix("autofinetune.")
    return f"{base}.{name}" if inner in MODULES else base


def own_imports(name: str) -> list[str]:
    found = []
    for target in imports(MODULES[name]):
        if target == "autofinetune" or target.startswith("autofinetune."):
            found.append(target.removeprefix("autofinetune").lstrip("."))
    return found


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str) -> None:
    for target in own_imports(name):
        inside = target == name or (target.startswith(f"{name}.") and "." not in name)
        if (
            name.split(".")[0] == target.split(".")[0]
            and name.split(".")[0] in ("space", "runner", "surrogate", "trial")
        ) or inside:
            continue  # one folder, one layer: these are small libraries of their own
        assert layer(target) < layer(name), f"{name} ({layer(name)}) imports {target}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_plug_ins_do_not_import_each_other(name: str) -> None:
    folder, _, leaf = name.partition(".")
    shared = {
        "base", "population", "design", "reports", "cards", "card_memory", "devices", "lease",
        "slots", "visualdl", "options", "preflight", "turns", "history", "halving", "policy",
        "members", "explore", "forks", "records", "hand_over", "best_model", "patience",
        "start", "gate",
    }  # fmt: skip
    if folder not in ("strategies", "assessors", "evaluators", "executors", "sinks") or not leaf:
        return
    siblings = {t for t in own_imports(name) if t.startswith(f"{folder}.")}
    assert {t.partition(".")[2] for t in siblings} <= shared - {leaf}


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_each_heavy_package_has_its_place(package: str) -> None:
    users = {
        name
        for name, path in MODULES.items()
        if any(target.partition(".")[0] == package for target in imports(path))
    }
    assert users == ONLY_IN[package]


def test_nothing_imports_the_package_root() -> None:
    users = {name for name in MODULES if "" in own_imports(name)}
    assert users == set()


def loaded_by(code: str) -> set[str]:
    heavy = ["numpy", "yaml", "cma", "visualdl", "pynvml", "subprocess", "sqlite3"]
    heavy += ["scipy.linalg", "scipy.optimize", "scipy.special"]
    code += f"\nimport sys; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_a_training_script_loads_nothing_heavy() -> None:
    assert loaded_by("import autofinetune") == set()


def test_a_runner_starts_with_little() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import autofinetune.runner.main; "
    code += "print(*{'typing', 'subprocess', 'pathlib', 'contextlib'} & sys.modules.keys())"
    words = [sys.executable, "-S", "-E", "-s", "-c", code, str(ROOT.parent)]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("strategy", ["hazero", "pshe2"])
def test_the_first_trials_do_not_wait_for_scipy(strategy: str) -> None:
    code = (
        "from autofinetune.space import load_space\n"
        "from autofinetune.strategies import create_strategy\n"
        "entry = {'name': 'a', 'type': 'float', 'greater_than': 0.0, 'lower_than': 1.0}\n"
        "space = load_space({'param_list': [{**entry, 'init_value': 0.5}]})\n"
        f"strategy = create_strategy({strategy!r}, space, popsize=4, seed=0)\n"
        "assert len(strategy.ask(4)) == 4"
    )
    assert not [name for name in loaded_by(code) if name.startswith("scipy")]


def test_help_and_reporting_load_nothing_heavy() -> None:
    assert loaded_by("from autofinetune.cli import main; main(['--version'])") == set()
    assert loaded_by("from autofinetune.cli import main; main(['--help'])") == set()
    assert loaded_by("from autofinetune.cli import main; main(['report-final', '0.5'])") == set()


def test_the_public_names_are_these() -> None:
    assert sorted(autofinetune.__all__) == [
        "__version__",
        "report_final_result",
        "report_intermediate_result",
        "should_stop",
    ]
    assert all(hasattr(autofinetune, name) for name in autofinetune.__all__)
