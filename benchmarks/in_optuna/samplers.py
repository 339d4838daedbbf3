"""The samplers that are compared, each with its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAMES = ("pshe2", "hazero", "tpe", "optuna-gp", "optuna-tpe", "optuna-auto", "optuna-random")
TITLES = {
    "pshe2": "`StrategySampler(\"pshe2\")`",
    "hazero": "`StrategySampler(\"hazero\")`",
    "tpe": "`StrategySampler(\"tpe\")`",
    "optuna-gp": "`GPSampler(deterministic_objective=True)`",
    "optuna-tpe": "`TPESampler()`",
    "optuna-auto": "`AutoSampler()` of OptunaHub",
    "optuna-random": "`RandomSampler()`",
}  # fmt: skip


def make(name: str, seed: int, registry: Path | None) -> Any:
    """Return a sampler; `registry` is a clone of optunahub-registry, for AutoSampler."""
    import optuna

    if name == "optuna-gp":
        # All tasks are deterministic; saying so is this sampler's best setting for them.
        return optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)
    if name == "optuna-tpe":
        return optuna.samplers.TPESampler(seed=seed)
    if name == "optuna-random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "optuna-auto":
        import optunahub  # type: ignore[import-not-found]

        assert registry is not None
        root = str(registry / "package")
        return optunahub.load_local_module(
            "samplers/auto_sampler", registry_root=root
        ).AutoSampler(seed=seed)
    from autofinetune.integration.optuna import StrategySampler

    return StrategySampler(name, seed=seed)
