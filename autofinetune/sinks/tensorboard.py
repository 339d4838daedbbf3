"""Write TensorBoard event files, with the table of the hyperparameters' page.

    tensorboard/events.out.tfevents.0.autofinetune                the columns of the table
    tensorboard/trial-00007/events.out.tfevents.0.autofinetune    a row, and the curve of a trial

A trial has the scalars `curve` (its intermediate scores by step) and `score` and `seconds` (by
the number of the trial), and its state and reason as text. TensorBoard makes the records and this
module writes them: its SummaryWriter needs a thread, and its `hparams` module TensorFlow.
"""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

from autofinetune.config.config import Config
from autofinetune.core.events import Event, RunCreated
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.library import Library
from autofinetune.space import Parameter, Value, as_text
from autofinetune.space.base import is_number
from autofinetune.store.directory import append_whole
from autofinetune.store.paths import RunPaths

from .base import Viewer
from .trial_log import CURVE, SCORE, Point, TrialLog, facts, run_name

_FILE = "events.out.tfevents.0.autofinetune"
_SECONDS = "seconds"
_MOST = 3.4e38  # the range of float32


class TensorBoard(TrialLog):
    """A view of the run for TensorBoard; rewritten when the run is resumed."""

    library = Library("tensorboard", "2.18", "autofinetune[tensorboard]")

    def __init__(self, config: Config, paths: RunPaths) -> None:
        super().__init__(config, paths)
        self._waiting: dict[Path, bytearray] = {}
        self._folders: dict[int, Path] = {}

    @classmethod
    def viewer(cls, paths: RunPaths, host: str, port: int) -> Viewer:
        words = ("-m", "tensorboard.main", f"--logdir={paths.tensorboard}")
        return Viewer((*words, f"--host={host}", f"--port={port}"))

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, RunCreated):
            self._begin_file(self.paths.tensorboard, event.at)
            self._add(self.paths.tensorboard, event.at, self._experiment(event.at))
        super().handle(event, state)

    def begin(self, trial: Trial, at: float, run: str) -> None:
        self._folders[trial.id] = folder = self.paths.tensorboard / run_name(trial)
        self._begin_file(folder, at)
        self._add(folder, at, self._start(trial, at))

    def add(self, trial: int, point: Point) -> None:
        scalar = _scalar(CURVE, point.score)
        self._add(self._folders[trial], point.at, scalar, point.step)

    def drop(self, trial: int) -> None:
        self._remove(self._folders.pop(trial))

    def end(self, trial: Trial, curve: list[Point], at: float, run: str) -> None:
        if trial.id not in self._folders:
            self.begin(trial, at, run)
        folder = self._folders.pop(trial.id)
        if trial.score is not None:
            self._add(folder, at, _scalar(SCORE, trial.score), trial.id)
        self._add(folder, at, _scalar(_SECONDS, trial.seconds), trial.id)
        lines = [f"{name}: {value}" for name, value in facts(trial).items() if value != ""]
        self._add(folder, at, _text("trial", "  \n".join(lines)), trial.id)
        self._add(folder, at, _end(trial, at), 0)

    def flush(self, state: State) -> None:
        for folder in list(self._waiting):
            with self.paths.place_of(folder).opened(create=True) as here:
                append_whole(here / _FILE, bytes(self._waiting[folder]))
            del self._waiting[folder]

    def _begin_file(self, folder: Path, at: float) -> None:
        self._remove(folder)
        from tensorboard.compat.proto.event_pb2 import Event as Record

        self._write(folder, Record(wall_time=at, file_version="brain.Event:2"))

    def _remove(self, folder: Path) -> None:
        self._waiting.pop(folder, None)
        with (
            contextlib.suppress(FileNotFoundError),
            self.paths.place_of(folder).opened() as here,
        ):
            (here / _FILE).unlink()

    def _add(self, folder: Path, at: float, summary: Any, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record

        self._write(folder, Record(wall_time=at, step=step, summary=summary))

    def _write(self, folder: Path, record: Any) -> None:
        """Keep a record to write: its length, its bytes, and a checksum of each."""
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

        data = record.SerializeToString()
        head = struct.pack("<Q", len(data))
        waiting = self._waiting.setdefault(folder, bytearray())
        for part in (head, data):
            waiting += part + struct.pack("<I", masked_crc32c(part))

    # --- the table ------------------------------------------------------------------------------

    def _experiment(self, at: float) -> Any:
        from tensorboard.plugins.hparams import api_pb2

        columns = []
        for parameter in self.config.space:
            kind = _kind(parameter)
            column = api_pb2.HParamInfo(
                name=parameter.name, type=getattr(api_pb2, f"DATA_TYPE_{kind}")
            )
            if parameter.type_name == "choice":
                for value in parameter.values():
                    _put(column.domain_discrete.values.add(), _cell(kind, value))
            columns.append(column)
        metrics = [
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=tag)
            for tag in (SCORE, _SECONDS)
        ]
        name = self.config.name or self.config.called
        made = api_pb2.Experiment(
            name=name, time_created_secs=at, hparam_infos=columns, metric_infos=metrics
        )
        return _of_hparams("EXPERIMENT_TAG", experiment=made)

    def _start(self, trial: Trial, at: float) -> Any:
        from tensorboard.plugins.hparams import plugin_data_pb2

        made = plugin_data_pb2.SessionStartInfo(start_time_secs=at)
        for parameter in self.config.space:
            if parameter.name in trial.params:
                value = _cell(_kind(parameter), trial.params[parameter.name])
                _put(made.hparams[parameter.name], value)
        return _of_hparams("SESSION_START_INFO_TAG", session_start_info=made)


def _end(trial: Trial, at: float) -> Any:
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    failed = trial.status is Status.FAILED
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    made = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=at)
    return _of_hparams("SESSION_END_INFO_TAG", session_end_info=made)


def _of_hparams(tag: str, **content: Any) -> Any:
    """Return a summary for the plug-in that shows hyperparameters."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    made = Summary()
    data = plugin_data_pb2.HParamsPluginData(**content)
    made.value.add(
        tag=getattr(metadata, tag),
        metadata=metadata.create_summary_metadata(data),
        tensor=metadata.NULL_TENSOR,
    )
    return made


def _scalar(tag: str, number: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=min(max(number, -_MOST), _MOST))])


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
    value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)
    return Summary(value=[value])


def _kind(parameter: Parameter) -> str:
    """Return the type of a column: all of its values have to be of one kind."""
    choices = parameter.values() if parameter.type_name == "choice" else []
    if choices and all(isinstance(choice, bool) for choice in choices):
        return "BOOL"
    return "FLOAT64" if all(map(is_number, choices)) else "STRING"


def _cell(kind: str, value: Value) -> Value:
    return as_text(value) if kind == "STRING" else value


def _put(field: Any, value: Value) -> None:
    """Set a google.protobuf.Value."""
    if isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, str):
        field.string_value = value
    elif value is not None:
        field.number_value = value
