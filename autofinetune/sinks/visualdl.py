"""Write the VisualDL dashboard: PaddleHub's tags and the table of hyperparameters.

    visualization/vdlrecords.root.log            hyperparameter_tuning/<name>, .../best_eval_value
    visualization/pop_<i>/vdlrecords.pop.log     population_transformation/<name>, .../eval_value
    visualization/trials/r003_p2/vdlrecords...   one row of the hyperparameter page

Steps are rounds, and trial numbers in trials/. Requirements of VisualDL 2.5.3: it reads one file
per directory, so names are fixed and records are appended. It does not accept booleans, so values
are float or str. It stores scores as float32, and one that becomes infinite hides the trial. A
trial without a score names no metric, or the plots would show it as 0. VisualDL makes the records
and this module writes them: its LogWriter hangs on exit if its thread died of a full disk.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from autofinetune.config.config import Config
from autofinetune.core.events import AttemptSubmitted, Event, RunEnded, TrialEnded
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.space import Parameter, Value, as_text
from autofinetune.space.base import is_number
from autofinetune.store.directory import Place, append_whole
from autofinetune.store.paths import RunPaths

from .base import Sink

_METRIC = "trial/eval_value"
_SCORE_TAGS = ("best_eval_value", "eval_value")
_MOST = 3.4e38  # the range of float32
_MOST_WAITING = 1000  # files, while an earlier session is replayed


class _Log(NamedTuple):
    """The only file of a folder."""

    folder: str
    name: str
    display_name: str = ""

    @property
    def file(self) -> str:
        return f"vdlrecords.{self.name}.log"


class VisualDL(Sink):
    """A view of the run for `autofinetune dashboard`; rebuilt from the journal on resume."""

    def __init__(self, config: Config, paths: RunPaths) -> None:
        self._config = config
        self._paths = paths
        self._waiting: dict[_Log, bytearray] = {}
        self._component: Any = None
        self._ended: Counter[int] = Counter()
        self._best: Trial | None = None
        self._written = (-1, 0)  # the last round in the root log, and its finished trials

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, AttemptSubmitted):
            self._load()  # trials are running now, so the import delays no slot
        elif isinstance(event, TrialEnded):
            trial = state.trials[event.trial]
            self._write_member(trial, event.at)
            self._write_trial(trial, event.at)
            self._count(trial, state)
            if self._ended[trial.round] == self._config.popsize:
                self._write_round(trial.round, event.at)
        elif isinstance(event, RunEnded) and self._ended:
            self._write_round(max(self._ended), event.at)
        if len(self._waiting) >= _MOST_WAITING:
            self._write()

    def flush(self, state: State) -> None:
        try:
            self._write()
        except OSError as error:
            if state.end_reason is None:
                raise  # there may be space later
            # Without errno, so it is final: a finished run does not wait for its dashboard.
            raise OSError(f"{error}; `autofinetune rebuild` writes it again") from error

    def close(self) -> None:
        self._write()

    def _write(self) -> None:
        """Write the waiting records; after an OSError those not written keep waiting."""
        for log in list(self._waiting):
            with self._place(log).opened(create=True) as here:
                append_whole(here / log.file, bytes(self._waiting[log]))
            del self._waiting[log]

    def _later(self, log: _Log, at: float, *records: Any) -> None:
        if log not in self._waiting:
            self._waiting[log] = bytearray()
            if not self._exists(log):
                meta = self._load().meta_data(display_name=log.display_name, walltime=_ms(at))
                records = (meta, *records)
        for record in records:
            data = record.SerializeToString()
            self._waiting[log] += struct.pack("<Q", len(data)) + data

    def _place(self, log: _Log) -> Place:
        return self._paths.place_of(self._paths.visualization / log.folder)

    def _exists(self, log: _Log) -> bool:
        with contextlib.suppress(OSError), self._place(log).opened() as here:
            return (here / log.file).exists()
        return False

    def _count(self, trial: Trial, state: State) -> None:
        """Count rounds and the best trial up to this event, because `state` may be ahead of it."""
        self._ended[trial.round] += 1
        if trial.status is Status.COMPLETED:
            known = [trial] if self._best is None else [self._best, trial]
            self._best = max(known, key=lambda one: (state.merit(one), -one.id))

    def _write_round(self, round_: int, at: float) -> None:
        best, progress = self._best, (round_, self._ended[round_])
        if progress <= self._written or best is None or best.score is None:
            return
        self._written = progress
        values = {**self._numbers(best), "best_eval_value": best.score}
        records = self._scalars("hyperparameter_tuning", values, round_, at)
        self._later(_Log(".", "root", "best"), at, *records)

    def _write_member(self, trial: Trial, at: float) -> None:
        score = {} if trial.score is None else {"eval_value": trial.score}
        values = {**self._numbers(trial), **score}
        records = self._scalars("population_transformation", values, trial.round, at)
        self._later(_Log(f"pop_{trial.member}", "pop"), at, *records)

    def _write_trial(self, trial: Trial, at: float) -> None:
        make, name = self._load(), f"r{trial.round:03d}_p{trial.member}"
        # The table would read a dot in a name as a path into the row.
        values = {p.name.replace(".", "/"): _cell(p, v) for p, v in self._values(trial)}
        records, metrics = [], []
        if trial.score is not None:
            records.append(make.scalar(_METRIC, _fit(trial.score), trial.id, _ms(at)))
            metrics.append(_METRIC)
        if trial.reason or trial.status is not Status.COMPLETED:
            # Only if there is something to show: the page requests each text separately.
            text = f"{trial.status.value} {trial.reason}".strip()
            records.append(make.text("trial/state", text, trial.id, _ms(at)))
        records.append(make.hparam(name, values, metrics, _ms(at)))
        self._later(_Log(f"trials/{name}", "trial"), at, *records)

    def _scalars(
        self, group: str, values: Mapping[str, float], step: int, at: float
    ) -> Iterator[Any]:
        for name, value in values.items():
            yield self._load().scalar(f"{group}/{name}", _fit(value), step, _ms(at))

    def _numbers(self, trial: Trial) -> Mapping[str, float]:
        """Return scalars by name; hyperparameters named like a score get a prefix."""
        return {
            f"hparam.{p.name}" if p.name in _SCORE_TAGS else p.name: p.as_number(value)
            for p, value in self._values(trial)
        }

    def _values(self, trial: Trial) -> list[tuple[Parameter, Value]]:
        """Return the hyperparameters that were active in the trial, with their values."""
        params = trial.params
        return [(p, params[p.name]) for p in self._config.space if p.name in params]

    def _load(self) -> Any:
        """Return the record maker; on first use, remove the logs of earlier sessions."""
        if self._component is None:
            import_visualdl()
            from visualdl.component import base_component

            view = self._paths.place_of(self._paths.visualization)
            with contextlib.suppress(OSError), view.opened() as here:
                for old in here.rglob("vdlrecords.*.log"):
                    old.unlink()
            self._component = base_component
        return self._component


def _fit(number: float) -> float:
    return min(max(float(number), -_MOST), _MOST)


def _ms(at: float) -> int:
    """Return the event time in ms; not the time of writing, so a resume repeats the records."""
    return round(at * 1000)


def _cell(parameter: Parameter, value: Value) -> float | str:
    """Return the value for the table; only floats get an ordered axis."""
    choices = parameter.values() if parameter.type_name == "choice" else []
    if is_number(value) and all(map(is_number, choices)):
        return float(value)
    return as_text(value)


def import_visualdl() -> Any:
    """Import visualdl, even if the home directory, where it makes folders, is read-only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of its dependencies do not concern our users
        try:
            import visualdl
        except OSError:
            sys.modules.pop("visualdl.utils.dir", None)  # it remembers the home directory
            with _other_home():
                import visualdl
    return visualdl


@contextlib.contextmanager
def _other_home() -> Iterator[None]:
    before = os.environ.get("HOME")
    with tempfile.TemporaryDirectory(prefix="autofinetune-home-") as home:
        os.environ["HOME"] = home
        try:
            yield
        finally:
            del os.environ["HOME"]
            if before is not None:
                os.environ["HOME"] = before
