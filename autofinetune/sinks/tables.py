"""Write log_file.txt in the format of PaddleHub, trials.csv for pandas, and config.yaml."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence

from autofinetune.config.config import Config
from autofinetune.config.program import described_words, masked
from autofinetune.core.events import (
    AttemptLost,
    Event,
    OptionsChanged,
    RunCreated,
    RunEnded,
    TrialEnded,
)
from autofinetune.core.state import State, Trial
from autofinetune.space import as_text, dump_yaml
from autofinetune.store.directory import write_atomically
from autofinetune.store.paths import RunPaths

from .base import Sink

CSV_COLUMNS = (
    "trial",
    "round",
    "member",
    "attempt",
    "state",
    "reason",
    "score",
    "parent",
    "device",
    "seconds",
)


REST = 19  # the tables take at most a twentieth of the time


class Tables(Sink):
    """Rewrites the tables after finished trials.

    Writing takes longer the more trials there are, so after each write nothing is written for
    `REST` times as long. `is_behind` tells whether something is left to write.
    """

    def __init__(
        self, config: Config, paths: RunPaths, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._paths = paths
        self._clock = clock
        self._names = [parameter.name for parameter in config.space]
        self._rest_until = -math.inf
        self._state: State | None = None

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, (RunCreated, OptionsChanged)):
            header = "# This run exactly as configured; `autofinetune run` starts it again.\n"
            shown = dict(state.config)
            for key in ("script_args", "warm_args"):
                shown[key] = shown[key] and masked(shown[key])
            shown["tasks"] = [dict(task) for task in shown.get("tasks", ())]
            for part, key in described_words(shown):
                part[key] = masked(part[key])
            if not shown["tasks"]:
                del shown["tasks"]
            text = header + dump_yaml(shown)
            with self._paths.place.opened(create=True) as here:
                write_atomically(here / self._paths.config.name, text.encode())
        # Also when the first trial starts, so that the files exist from then on.
        first = not self.is_behind and not self._paths.trials_csv.exists()
        self.is_behind |= first or isinstance(
            event, (TrialEnded, AttemptLost, RunEnded, RunCreated)
        )

    def flush(self, state: State) -> None:
        self._state = state
        is_over = state.end_reason is not None
        if self.is_behind and (is_over or self._clock() >= self._rest_until):
            self._write(state)

    def close(self) -> None:
        if self.is_behind and self._state is not None:
            self._write(self._state)

    def _write(self, state: State) -> None:
        began = self._clock()
        with self._paths.place.opened(create=True) as here:
            # Line by line: the whole text is large, and its memory might not be released.
            write_atomically(here / self._paths.trials_csv.name, map(str.encode, self._csv(state)))
            write_atomically(here / self._paths.log_file.name, map(str.encode, self._log(state)))
        self.is_behind = False
        now = self._clock()
        self._rest_until = now + REST * (now - began)

    def _csv(self, state: State) -> Iterator[str]:
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")

        def written(row: Sequence[object]) -> str:
            line.seek(0)
            line.truncate()
            writer.writerow(row)
            return line.getvalue()

        names = [f"hparam.{name}" if name in CSV_COLUMNS else name for name in self._names]
        yield written([*CSV_COLUMNS, *names])
        for number in sorted(state.trials):
            trial = state.trials[number]
            yield written(
                [
                    trial.id, trial.round, trial.member, trial.attempt, trial.status.value,
                    trial.reason, _score(trial), "" if trial.parent is None else trial.parent,
                    trial.where, f"{trial.seconds:.3f}", *self._values(trial),
                ]
            )  # fmt: skip

    def _values(self, trial: Trial) -> list[str]:
        params = trial.params
        return [as_text(params[name]) if name in params else "" for name in self._names]

    def _log(self, state: State) -> Iterator[str]:
        yield "The final best hyperparameters:\n"
        best = state.best
        if best is None:
            yield "none: no trial has completed\n"
        else:
            yield from (f"{name}\t:\t{as_text(value)}\n" for name, value in best.params.items())
            yield f"The final best eval score is {best.score!r}.\n"
            yield (
                "The final best model parameters are saved as ./best_model .\n"
                if best.has_model
                else "The best trial saved no model, so there is no best_model.\n"
            )
        yield "\t".join([*self._names, "saved_params_dir", "round", "score", "state", "reason"])
        yield "\n"
        for trial in state.by_round():
            values = [
                *self._values(trial),
                f"round{trial.round}/model-{trial.member}",
                str(trial.round),
                _score(trial) or "-",
                trial.status.value,
                trial.reason or "-",
            ]
            yield "\t".join(values) + "\n"


def _score(trial: Trial) -> str:
    return "" if trial.score is None else repr(trial.score)
