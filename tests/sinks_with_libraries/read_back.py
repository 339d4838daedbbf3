"""Print the trials that a tool knows, read by its own library: `read_back.py TOOL OUTPUT_DIR`.

Run by a Python that has the library. A JSON list of objects: name, params, score, curve (a list of
[step, score]), and facts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK = 1 << 15  # of a .wandb file
_HEAD = 7


def tensorboard(root: Path) -> Iterator[dict[str, Any]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    for folder in sorted(path for path in (root / "tensorboard").iterdir() if path.is_dir()):
        events = EventAccumulator(str(folder))
        events.Reload()
        tags = events.Tags()["scalars"]
        content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        start = metadata.parse_session_start_info_plugin_data(content)
        content = events.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
        end = metadata.parse_session_end_info_plugin_data(content)
        ((text,),) = [event.tensor_proto.string_val for event in events.Tensors("trial")]
        lines = text.decode().split("  \n")
        yield {
            "name": folder.name,
            "params": {
                name: getattr(value, value.WhichOneof("kind"))
                for name, value in start.hparams.items()
            },
            "score": events.Scalars("score")[-1].value if "score" in tags else None,
            "curve": [(s.step, s.value) for s in events.Scalars("curve")]
            if "curve" in tags
            else [],
            "facts": {
                **dict(line.split(": ", 1) for line in lines),
                "status": {1: "FINISHED", 2: "FAILED"}[end.status],
            },
        }


def mlflow(root: Path) -> Iterator[dict[str, Any]]:
    from mlflow import MlflowClient

    local = f"sqlite:///{root / 'mlflow/mlflow.db'}"
    client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or local)
    found = client.get_experiment_by_name("autofinetune")
    for run in client.search_runs([found.experiment_id], max_results=1000):
        tags = {name.removeprefix("autofinetune."): value for name, value in run.data.tags.items()}
        history = client.get_metric_history(run.info.run_id, "curve")
        yield {
            "name": run.info.run_name,
            "params": run.data.params,
            "score": run.data.metrics.get("score"),
            "curve": [(metric.step, metric.value) for metric in history],
            "facts": {**tags, "status": run.info.status},
        }


def wandb(root: Path) -> Iterator[dict[str, Any]]:
    from wandb.proto import wandb_internal_pb2

    for file in sorted(root.glob("wandb/offline-run-*/*.wandb")):
        params: dict[str, Any] = {}
        summary: dict[str, Any] = {}
        name, status, curve = "", "", []
        for data in _records(file.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                name = record.run.display_name
                for one in record.run.config.update:
                    params[one.key] = json.loads(one.value_json)
            elif kind == "history":
                row = {_key(one): json.loads(one.value_json) for one in record.history.item}
                curve.append((row["step"], row["curve"]))
            elif kind == "summary":
                for one in record.summary.update:
                    summary[_key(one)] = json.loads(one.value_json)
            elif kind == "exit":
                status = "FAILED" if record.exit.exit_code else "FINISHED"
        params.pop("_wandb", None)
        score = summary.pop("score", None)
        facts = {**summary, "status": status}
        yield {"name": name, "params": params, "score": score, "curve": curve, "facts": facts}


def _key(item: Any) -> str:
    return str(item.key or ".".join(item.nested_key))


def _records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a .wandb file, whose format is that of LevelDB's log."""
    at, record = _HEAD, b""
    while at + _HEAD <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + _HEAD : at + _HEAD + length]
        at += _HEAD + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def trackio(root: Path) -> Iterator[dict[str, Any]]:
    os.environ["TRACKIO_DIR"] = str(root / "trackio")
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    for run in trackio.Api().runs("autofinetune"):
        config = {k: v for k, v in (run.config or {}).items() if not k.startswith("_")}
        prefix = "autofinetune."
        facts = {k[len(prefix) :]: config.pop(k) for k in list(config) if k.startswith(prefix)}
        logs = SQLiteStorage.get_logs("autofinetune", run.name)
        yield {
            "name": run.name,
            "params": config,
            "score": logs[-1].get("score"),
            "curve": [(log["step"], log["curve"]) for log in logs if "curve" in log],
            "facts": {
                **facts,
                "status": "FAILED" if facts["state"] == "FAILED" else "FINISHED",
            },
        }


if __name__ == "__main__":
    read = {"tensorboard": tensorboard, "mlflow": mlflow, "wandb": wandb, "trackio": trackio}
    found = list(read[sys.argv[1]](Path(sys.argv[2]).absolute()))
    print(json.dumps(found))
