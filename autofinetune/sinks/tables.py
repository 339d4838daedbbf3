"""Writes log_file.txt in the lines of PaddleHub, trials.csv for pandas, and config.yaml."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from autofinetune.config import Config
from autofinetune.events import AttemptLost, Event, RunCreated, RunEnded, TrialEnded
from autofinetune.masking import masked
from autofinetune.paths import RunPaths, write_atomically
from autofinetune.space import as_text, dump_yaml
from autofinetune.state import State, Trial

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


class Tables(Sink):
    """Rewrites the tables after every finished trial; a row is rendered only when it changed."""

    def __init__(self, config: Config, paths: RunPaths) -> None:
        self._config = config
        self._paths = paths
        self._names = [parameter.name for parameter in config.space]
        self._csv_rows: dict[int, str] = {}
        self._log_rows: dict[int, str] = {}
        self._is_stale = False

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, RunCreated):
            header = "# This run exactly as configured; `autofinetune run` starts it again.\n"
            shown = dict(event.config)
            for key in ("script_args", "warm_args"):
                shown[key] = shown[key] and masked(shown[key])
            text = header + dump_yaml(shown)
            write_atomically(self._paths.config, text.encode())
        trial = getattr(event, "trial", None)
        if trial is not None:
            self._render(state.trials[trial])
        # Also when a trial starts, but only at the first one: the files are there from then on.
        first = not self._paths.trials_csv.exists()
        self._is_stale |= first or isinstance(
            event, (TrialEnded, AttemptLost, RunEnded, RunCreated)
        )

    def flush(self, state: State) -> None:
        if not self._is_stale:
            return
        self._paths.root.mkdir(parents=True, exist_ok=True)
        rows = [self._csv_rows[trial] for trial in sorted(self._csv_rows)]
        write_atomically(self._paths.trials_csv, "".join([self._csv_header(), *rows]).encode())
        write_atomically(self._paths.log_file, self._log(state).encode())
        self._is_stale = False

    def _render(self, trial: Trial) -> None:
        values = [as_text(trial.params[name]) for name in self._names]
        score = "" if trial.score is None else repr(trial.score)
        parent = "" if trial.parent is None else str(trial.parent)
        row = [
            str(trial.id), str(trial.round), str(trial.member), str(trial.attempt),
            trial.status.value, trial.reason, score, parent, trial.slot, f"{trial.seconds:.3f}",
        ]  # fmt: skip
        self._csv_rows[trial.id] = _csv_line([*row, *values])
        model = f"round{trial.round}/model-{trial.member}"
        self._log_rows[trial.id] = "\t".join(
            [
                *values,
                model,
                str(trial.round),
                score or "-",
                trial.status.value,
                trial.reason or "-",
            ]
        )

    def _csv_header(self) -> str:
        names = [f"hparam.{name}" if name in CSV_COLUMNS else name for name in self._names]
        return _csv_line([*CSV_COLUMNS, *names])

    def _log(self, state: State) -> str:
        lines = ["The final best hyperparameters:"]
        best = state.best
        if best is None:
            lines.append("none: no trial has completed")
        else:
            lines += [f"{name}\t:\t{as_text(best.params[name])}" for name in self._names]
            lines.append(f"The final best eval score is {best.score!r}.")
            lines.append(
                "The final best model parameters are saved as ./best_model ."
                if best.has_model
                else "The best trial saved no model, so there is no best_model."
            )
        header = [*self._names, "saved_params_dir", "round", "score", "state", "reason"]
        ordered = sorted(self._log_rows, key=lambda t: (state.trials[t].round, t))
        return "\n".join([*lines, "\t".join(header), *(self._log_rows[t] for t in ordered), ""])


def _csv_line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
