"""The search of a Katib experiment: its algorithm and its early stopping, with their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofinetune.assessors import assessor_class
from autofinetune.errors import did_you_mean
from autofinetune.options import Option
from autofinetune.space.fields import short, unknown
from autofinetune.strategies import strategy_class

from .arguments import by_any_name
from .reader import NO_EFFECT, Section

ALGORITHMS = {
    "random": "random", "grid": "grid", "bayesianoptimization": "gp", "tpe": "tpe",
    "multivariate-tpe": "tpe", "cmaes": "hazero", "sobol": "random", "hyperband": "random",
    "pbt": "pbt", "skopt-bayesian-optimization": "gp",
}  # fmt: skip
_INSTEAD = {
    "multivariate-tpe": "tpe is used instead; if optuna is installed, "
                        "--tuning_strategy=optuna:TPESampler --strategy_options=multivariate=true "
                        "is the same",
    "sobol": "random is used instead; if optuna is installed, "
             "--tuning_strategy=optuna:QMCSampler is the same",
    "pbt": "passes no checkpoints on here: every trial is trained from scratch; "
           "--evaluator=populationbased passes models on by its own rule",
}  # fmt: skip
_ARCHITECTURES = ("enas", "darts")


def read_algorithm(algorithm: Section, options: dict[str, Any]) -> None:
    """Add the options for `algorithm`; `options` contains those of the space already."""
    name = algorithm.text("algorithmName", needed=f"use one of: {', '.join(ALGORITHMS)}")
    settings = _Settings(algorithm)
    algorithm.rest()
    if name is None or "tuning_strategy" in algorithm.file.given:
        return
    if name not in ALGORITHMS:
        what = "searches architectures with Katib's own images, which is not supported"
        what = f"{what if name in _ARCHITECTURES else 'is unknown'}; use one of"
        why = unknown(name, ALGORITHMS, what)
        algorithm.refuse("algorithmName", why, "--tuning_strategy=tpe")
        return
    if name in _INSTEAD:
        algorithm.note("algorithmName", f"{name}: {_INSTEAD[name]}")
    options["tuning_strategy"] = strategy = ALGORITHMS[name]
    algorithm.gives("tuning_strategy", "algorithmName")
    for own in ("random_state", "seed"):
        seed = settings.number(own)
        if seed is not None and 0 <= seed < 2**63 and seed == int(seed):
            options["seed"] = int(seed)
    if name == "hyperband":
        _read_hyperband(algorithm, settings, options)
    options["strategy_options"] = settings.checked(strategy_class(strategy).OPTIONS)
    if name == "grid" and options["max_trials"] is None:
        algorithm.note("algorithmName", "the grid ends when the space is exhausted")


def _read_hyperband(algorithm: Section, settings: _Settings, options: dict[str, Any]) -> None:
    """Give every trial the largest number of epochs; the assessor stops most of them early."""
    resource = settings.text("resource_name")
    most, eta = settings.number("r_l"), settings.number("eta")
    if resource is None or most is None:
        algorithm.mistake("algorithmSettings", "of hyperband must contain resource_name and r_l")
        return
    entries = options.get("param_list", [])
    names = [entry["name"] for entry in entries]
    resource = resource.lstrip("-")
    if names and resource not in names:
        why = f"resource_name {short(resource)} is not a parameter{did_you_mean(resource, names)}"
        algorithm.mistake("algorithmSettings", why)
        return
    whole = max(1, int(most))
    for index, entry in enumerate(entries):
        if entry["name"] == resource:
            entries[index] = {"name": resource, "type": "constant", "value": whole}
    found = {"max_steps": str(whole), "eta": f"{eta or 3:g}"}
    options |= {"assessor": "hyperband", "assessor_options": found}
    algorithm.note("algorithmSettings", f"{resource} is {whole} in every trial, and the assessor "
                   "hyperband stops hopeless ones early by their intermediate values")  # fmt: skip


def read_early_stopping(early: Section, options: dict[str, Any]) -> None:
    """Add the options for `earlyStopping`."""
    if not early.value:
        return
    name = early.text("algorithmName", needed="Katib has medianstop")
    settings = _Settings(early)
    early.rest()
    if name is None or "assessor" in early.file.given:
        return
    if name != "medianstop":
        why = f"{short(name)} is unknown; Katib has medianstop"
        early.refuse("algorithmName", why, "--assessor=none")
        return
    options["assessor"] = "medianstop"
    early.gives("assessor", "algorithmName")
    defaults = {"min_completed": "3", "start_step": "4"}  # Katib's
    settings.rename("min_trials_required", "min_completed")
    found = settings.checked(assessor_class(name).OPTIONS)
    options["assessor_options"] = defaults | found


class _Settings:
    """The `algorithmSettings` of a section by name."""

    def __init__(self, section: Section) -> None:
        self._section = section
        self._found: dict[str, tuple[Section, Any]] = {}
        for setting in section.sections("algorithmSettings"):
            name, value = setting.text("name", needed="name the setting"), setting.take("value")
            setting.rest()
            if name is not None:
                self._found[name] = (setting, value)

    def rename(self, old: str, new: str) -> None:
        if old in self._found:
            self._found[new] = self._found.pop(old)

    def text(self, name: str) -> str | None:
        return str(self._found.pop(name)[1]) if name in self._found else None

    def number(self, name: str) -> float | None:
        if name not in self._found:
            return None
        setting, value = self._found.pop(name)
        try:
            return float(str(value))
        except ValueError:
            setting.mistake("value", f"must be a number, found {short(value)}")
            return None

    def checked(self, options: Mapping[str, Option]) -> dict[str, str]:
        """Return the settings that the plug-in has, by name; add a note for every other one."""
        known = by_any_name(options)
        found = {}
        for name, (setting, value) in self._found.items():
            if name not in known:
                setting.note("name", f"{name[:60]} {NO_EFFECT}")
                continue
            try:
                known[name].read(value)
                found[name] = str(value)
            except ValueError:
                why = f"of {name} must be {known[name].allowed}, found {short(value)}"
                setting.mistake("value", why)
        return found
