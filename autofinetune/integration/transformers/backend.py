"""Makes `trainer.hyperparameter_search(backend="autofinetune")` work."""

from __future__ import annotations

from typing import Any

from .search import TRANSFORMERS, hyperparameter_search
from .space import default_hp_space

NAME = "autofinetune"


def register() -> None:
    """Add autofinetune to the backends of `Trainer.hyperparameter_search`.

    Other arguments of ours are given there, too: `trainer.hyperparameter_search(...,
    backend="autofinetune", gpu="0,1", assessor="asha")`. transformers has a closed list of
    backends, an enumeration, and this extends it; nothing else of it changes. A second call does
    nothing.
    """
    TRANSFORMERS.check("register")
    from transformers import hyperparameter_search as theirs
    from transformers.trainer_utils import HPSearchBackend

    if NAME in HPSearchBackend._value2member_map_:
        return
    member = str.__new__(HPSearchBackend, NAME)
    member._name_, member._value_ = NAME.upper(), NAME
    HPSearchBackend._member_map_[member._name_] = member
    HPSearchBackend._member_names_.append(member._name_)
    HPSearchBackend._value2member_map_[NAME] = member

    class Backend(theirs.HyperParamSearchBackendBase):  # type: ignore[misc]
        name = NAME

        @staticmethod
        def is_available() -> bool:
            return True

        def run(self, trainer: Any, n_trials: int, direction: str, **options: Any) -> Any:
            trainer.hp_search_backend = None  # else it would remain after an exception
            return hyperparameter_search(
                trainer, trainer.hp_space, trainer.compute_objective, n_trials, direction,
                hp_name=trainer.hp_name, **options,
            )  # fmt: skip

        def default_hp_space(self, trial: Any) -> dict[str, Any]:
            return default_hp_space(trial)

    theirs.ALL_HYPERPARAMETER_SEARCH_BACKENDS[member] = Backend
