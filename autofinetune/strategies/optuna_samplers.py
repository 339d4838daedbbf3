"""Samplers of Optuna, such as `optuna:TPESampler`, with the arguments of their constructors.

Optuna's study is asked and told like any other strategy. It is restored by asking it again, as
this is the only way to restore the state of its samplers. If a sampler then chooses differently
(on another machine, or in another version), the recorded configuration replaces its choice. A
failed trial counts as the worst score so far, as most samplers ignore failed trials.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from autofinetune.errors import Mistake, UsageError, did_you_mean
from autofinetune.library import Library
from autofinetune.space import Parameter, Value
from autofinetune.space.parameters import ChoiceParameter

from .base import Candidate, Strategy
from .options import OPTIMIZE_MODE, Option
from .turns import Turns

OPTUNA = Library("optuna", "3.5", "autofinetune[optuna]")
_DRAWS = 8  # at most, until a sampler chooses a new configuration
_RANGE = {"name", "type", "init_value", "lower_than", "greater_than", "log"}
_WORDS: Mapping[str, object] = {"true": True, "false": False, "none": None, "null": None}


def of_sampler(name: str) -> type[Strategy]:
    """Return the strategy for the sampler of this name, in upper or lower case."""
    OPTUNA.check(f"--tuning_strategy=optuna:{name}")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known = {n.lower(): n for n in optuna.samplers.__all__ if n.endswith("Sampler")}
    found = known.get(name.lower())
    if found is None:
        raise UsageError(
            Mistake(
                "tuning_strategy",
                f": Optuna {optuna.__version__} has no such sampler"
                f"{did_you_mean(name, known.values())}",
                f"optuna:{name}",
            ),
            f"its samplers are: {', '.join(sorted(known.values()))}",
        )
    made: type[Strategy] = type(
        f"optuna:{found}", (OptunaSampler,), {"sampler": getattr(optuna.samplers, found)}
    )
    return made


class OptunaSampler(Turns):
    """A study with one sampler; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = OPTIMIZE_MODE
    sampler: ClassVar[Any]

    @classmethod
    def read_options(cls, given: Mapping[str, object]) -> dict[str, Any]:
        known = [name for name in inspect.signature(cls.sampler).parameters if name != "seed"]
        options = {name: _read(value) for name, value in given.items()}
        options.pop("optimize_mode", None)
        for name in options:
            if name not in known:
                raise UsageError(
                    Mistake(
                        "strategy_options",
                        f"{name}={given[name]}: {cls.__name__} has no option "
                        f"{name!r}{did_you_mean(name, known)}",
                    ),
                    f"the arguments of its constructor are: {', '.join(known)}",
                )
        return options

    def _set_up(self) -> None:
        super()._set_up()
        import optuna

        arguments = dict(self.options)
        if "seed" in inspect.signature(self.sampler).parameters:
            arguments["seed"] = self.seed % 2**32
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about experimental and deprecated features
                sampler = self.sampler(**arguments)
        except Exception as error:  # samplers raise anything for wrong arguments
            raise UsageError(
                f"{type(self).__name__} cannot be created with {self.options}: {error}",
                "see its page on optuna.readthedocs.io",
            ) from None
        self._optuna = optuna
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._drawn: Any = None  # the trial of the study that becomes the next candidate
        self._trials: dict[int, int] = {}  # trials of the study, by candidate without a result
        self._merits: dict[tuple[Value, ...], float] = {}

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        self._drawn, point = self._draw()
        return self._untried(np.array(point), rng)

    def _note(self, candidate: Candidate) -> None:
        trial, self._drawn = self._drawn, None
        if trial is None and not self._is_next_given:
            trial, _ = self._draw()
        if trial is not None and self._params(trial) != candidate.params:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            trial = None
        if trial is None:
            trial = self._put(candidate.params)
        self._trials[candidate.id] = trial.number

    def _learn(self, candidate: Candidate, merit: float) -> None:
        number = self._trials.pop(candidate.id)
        if np.isnan(merit):
            merit = min(self._merits.values(), default=np.nan)
        else:
            self._merits[self.space.key(candidate.params)] = merit
        self._tell(number, merit)

    def _tell(self, trial: Any, merit: float) -> None:
        if np.isnan(merit):
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, merit)

    # --- one trial of the study -----------------------------------------------------------------

    def _draw(self) -> tuple[Any, tuple[float, ...]]:
        """Return a trial of the study and its point, after telling it known results."""
        for attempt in range(_DRAWS):
            trial = self._ask()
            params = self._params(trial)
            key = self.space.key(params)
            if key not in self._seen or self._all_seen or attempt == _DRAWS - 1:
                break
            self._tell(trial, self._merits.get(key, np.nan))
        return trial, self.space.encode(params)

    def _ask(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            params: dict[str, Value] = {}
            for parameter in self.space:
                if self.space.is_active(parameter, params):
                    params[parameter.name] = _suggest(trial, parameter)
        return trial

    def _put(self, params: Mapping[str, Value]) -> Any:
        """Return a trial of the study for a configuration that it did not choose."""
        named = {p.name: p for p in self.space}
        self._study.enqueue_trial({k: _suggestion(named[k], v) for k, v in params.items()})
        return self._ask()

    def _params(self, trial: Any) -> dict[str, Value]:
        """Return the configuration of a trial of the study in the form of a candidate's."""
        params: dict[str, Value] = {}
        for parameter in self.space:
            if parameter.name in trial.params:
                value = _value(parameter, trial.params[parameter.name])
                params[parameter.name] = value
        return self.space.decode(self.space.encode(params))


def _suggest(trial: Any, parameter: Parameter) -> Value:
    """Ask a trial of the study for the value of `parameter`."""
    name, entry = parameter.name, parameter.describe()
    if isinstance(parameter, ChoiceParameter):
        return _value(parameter, trial.suggest_categorical(name, range(parameter.size)))
    if _is_range(parameter):
        suggest = trial.suggest_int if parameter.type_name == "int" else trial.suggest_float
        log = bool(entry.get("log"))
        return _value(
            parameter, suggest(name, entry["greater_than"], entry["lower_than"], log=log)
        )
    return _value(parameter, trial.suggest_float(name, 0.0, 1.0))


def _value(parameter: Parameter, suggestion: Any) -> Value:
    """Return the value that a suggestion of Optuna stands for."""
    value: Value
    if isinstance(parameter, ChoiceParameter):
        value = parameter.choices[suggestion]
        return value
    value = suggestion if _is_range(parameter) else parameter.decode(suggestion)
    return value


def _suggestion(parameter: Parameter, value: Value) -> Value:
    """Return the suggestion of Optuna that stands for a value."""
    if isinstance(parameter, ChoiceParameter):
        return parameter.index(value)
    return value if _is_range(parameter) else parameter.encode(value)


def _is_range(parameter: Parameter) -> bool:
    """Return whether Optuna has such a range itself; any other is a number in [0, 1] to it."""
    return not isinstance(parameter, ChoiceParameter) and parameter.describe().keys() <= _RANGE


def _read(value: object) -> object:
    text = str(value).strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
