"""MLflow: reports metrics sent to its tracking service by functions, a client or autologging."""

from __future__ import annotations

import os
import tempfile
from types import ModuleType
from typing import Any

from autofinetune.trial import logged
from autofinetune.trial.hooks import around, wrap

SOURCE = "mlflow"


def on_client(module: ModuleType) -> None:
    """Hook into the logging of single metrics and of batches."""
    wrap(module.TrackingServiceClient, "log_metric", _logged)
    wrap(module.TrackingServiceClient, "log_batch", _logged_all)


def _logged(client: Any, run_id: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
    logged.values_or_leave(SOURCE, [(key, value)])


def _logged_all(client: Any, run_id: Any, metrics: Any = (), *args: Any, **kwargs: Any) -> None:
    logged.values_or_leave(SOURCE, [(metric.key, metric.value) for metric in metrics])


def on_store(module: ModuleType) -> None:
    """Make trials that start together take turns when they create the database."""
    around(module.SqlAlchemyStore, "__init__", _in_turn)


def _in_turn(init: Any, *args: Any, **kwargs: Any) -> None:
    import fcntl

    name = f"autofinetune-mlflow-{os.getuid()}.lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(os.path.join(tempfile.gettempdir(), name), flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        init(*args, **kwargs)
    finally:
        os.close(lock)
