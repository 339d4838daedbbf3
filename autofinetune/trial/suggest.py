"""The methods of Optuna's trial with which a function defines a space, without Optuna.

def space(trial):
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam"])
    if optimizer == "sgd":
        trial.suggest_float("momentum", 0.0, 0.99)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Suggesting:
    """Answers each suggestion by `_answer(name, entry)`, where `entry` is that of hparam.yaml."""

    number = 0

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> Any:
        return self._range(name, "float", low, high, step, log)

    def suggest_int(self, name: str, low: int, high: int, step: int = 1, log: bool = False) -> Any:
        return self._range(name, "int", low, high, step if step != 1 else None, log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._suggest(name, {"type": "choice", "choices": list(choices)})

    def suggest_uniform(self, name: str, low: float, high: float) -> Any:
        return self._range(name, "float", low, high, None, False)

    def suggest_loguniform(self, name: str, low: float, high: float) -> Any:
        return self._range(name, "float", low, high, None, True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> Any:
        return self._range(name, "float", low, high, q, False)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Do nothing: it is a note in Optuna's own records."""

    def _range(self, name: str, kind: str, low: Any, high: Any, step: Any, log: bool) -> Any:
        if low == high:
            return self._suggest(name, {"type": "choice", "choices": [low]})
        entry: dict[str, Any] = {"type": kind, "greater_than": low, "lower_than": high}
        if step is not None:
            entry["step"] = step
        if log:
            entry["log"] = log
        return self._suggest(name, entry)

    def _suggest(self, name: str, entry: Mapping[str, Any]) -> Any:
        self.params[name] = value = self._answer(name, entry)
        return value

    def _answer(self, name: str, entry: Mapping[str, Any]) -> Any:
        raise NotImplementedError


class Replayed(Suggesting):
    """Answers with the hyperparameters of a trial."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__()
        self._given = params

    def _answer(self, name: str, entry: Mapping[str, Any]) -> Any:
        if name not in self._given:
            raise Unexpected(name)
        return self._given[name]


class Unexpected(Exception):
    """The function suggests a hyperparameter that the trial does not have.

    It depends on several choices at once, or on something that changes between calls.
    """
