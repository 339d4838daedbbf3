"""The levels of the package: imports only go down; each heavy package is imported in one place."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import autofinetune
from autofinetune.assessors import ASSESSORS
from autofinetune.executors import EXECUTORS
from autofinetune.strategies import FAMILIES, STRATEGIES

ROOT = Path(autofinetune.__file__).parent
# The levels from the bottom up: a folder of the package, or the modules beside the folders.
LEVELS = {
    "root": 0,
    "trial": 1,
    "adapters": 2, "nni": 2, "": 2,
    "runner": 3,
    "preload": 4,
    "space": 5,
    "core": 6, "surrogate": 6,
    "store": 7, "strategies": 7, "assessors": 7,
    "config": 8,
    "executors": 9, "manifests": 9,
    "evaluators": 10, "sinks": 10,
    "run": 11,
    "api": 12, "draft": 12, "recipe": 12, "report": 12,
    "doctor": 13, "integration": 13,
    "cli": 14,
}  # fmt: skip
ONLY_IN = {
    "subprocess": {
        "recipe.objectives.command",
        "executors.devices.cards",
        "executors.local.ask_help",
        "executors.local.forks",
        "executors.local.hook",
        "executors.local.job",
        "executors.local.start",
        "executors.ray.client",
        "executors.ray.onnode",
        "executors.slurm.commands",
        "recipe.installed",
        "sinks.apart",
    },
    "visualdl": {"sinks.visualdl", "sinks.board"},
    "yaml": {"space.yaml_edit", "space.yaml_file"},
    "cma": {"strategies.hazero"},
    "optuna": {
        "integration.optuna.export",
        "integration.optuna.pruner",
        "integration.optuna.sampler",
        "integration.optuna.space",
        "integration.transformers.prune",
        "run.optuna_study",
        "strategies.optuna_samplers",
    },
    "pyarrow": {"run.tables"},
    "pandas": {"run.result"},
    "cloudpickle": {"run.function", "trial.function"},
    "ray": {"executors.ray.actor", "executors.ray.bridge"},
    "plotly": {"report.page"},
    "matplotlib": {"report.figures", "report.painted"},
    "tensorboard": {"sinks.tensorboard"},
    "mlflow": {"sinks.mlflow"},
    "wandb": {"sinks.wandb", "adapters.wandb"},
    "trackio": {"sinks.trackio"},
    "fsspec": {"store.remote"},
    "s3fs": set(),
    "t9k": {"sinks.t9k"},
    "pynvml": {"executors.devices.nvml"},
    "psutil": {"sinks.live.usage"},
    "rich": {"sinks.live.layout", "sinks.live.paint"},
    "mcp": {"cli.mcp"},
    "sklearn": {"integration.sklearn.search"},
    "joblib": {"integration.sklearn.search"},
    "sqlite3": {"store.journal"},
    "pickle": set(),
    "multiprocessing": set(),
}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def folder_of(name: str) -> str:
    folder = name.partition(".")[0]
    return folder if folder in LEVELS else "root"


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
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
        if not name and target == "autofinetune.api":
            continue  # for type checkers only; imported on use
        if target == "autofinetune" or target.startswith("autofinetune."):
            found.append(target.removeprefix("autofinetune").lstrip("."))
    return found


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"__main__"}))
def test_imports_point_down(name: str) -> None:
    here = folder_of(name)
    for target in own_imports(name):
        there = folder_of(target)
        assert there == here or LEVELS[there] < LEVELS[here], f"{here}: {name} imports {target}"


def test_there_are_no_import_cycles() -> None:
    # A package runs its __init__ before its modules, which is not a cycle.
    graph = {name: {t for t in own_imports(name) if t != name} for name in MODULES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the cycle


PLUG_INS = {
    "strategies": [place.partition(":")[0] for place in {**STRATEGIES, **FAMILIES}.values()],
    "assessors": [place.partition(":")[0] for place in ASSESSORS.values()],
    "executors": [place.partition(":")[0] for place in EXECUTORS.values()],
}


@pytest.mark.parametrize("folder", sorted(PLUG_INS))
def test_plug_ins_do_not_import_each_other(folder: str) -> None:
    names = {name.removeprefix("autofinetune.") for name in PLUG_INS[folder]}
    names -= {"assessors.halving"}  # Hyperband has one per bracket
    assert [name for name in names if (names - {name}).intersection(own_imports(name))] == []


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


def test_a_run_without_a_terminal_loads_no_live_view() -> None:
    code = "import autofinetune.api, autofinetune.cli.run, sys; "
    code += "print(*{'rich', 'psutil', 'IPython'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == []


def test_the_public_names_are_these() -> None:
    assert sorted(autofinetune.__all__) == [
        "Result",
        "__version__",
        "choice",
        "integers",
        "loguniform",
        "open_run",
        "put",
        "report_final_result",
        "report_intermediate_result",
        "should_stop",
        "tune",
        "tune_async",
        "uniform",
    ]
    assert all(hasattr(autofinetune, name) for name in autofinetune.__all__)
