"""Callbacks that report for Keras."""

from __future__ import annotations

from typing import Any

try:
    from tensorflow import keras
except ImportError:
    import keras

from . import report_final_result, report_intermediate_result

__all__ = ["AutoTuneEvalCallback", "AutoTuneFitCallback"]


class _Callback(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, metric: str = "loss") -> None:
        super().__init__()
        self.metric = metric


class AutoTuneFitCallback(_Callback):
    """Reports `metric` after each epoch of `fit`."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        report_intermediate_result(_value(logs, self.metric))


class AutoTuneEvalCallback(_Callback):
    """Reports `metric` as the final result at the end of `evaluate`."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        report_final_result(_value(logs, self.metric))


def _value(logs: dict[str, Any] | None, metric: str) -> Any:
    if metric not in (logs or {}):
        raise KeyError(f"metric {metric!r} is not among {sorted(logs or {})}")
    return (logs or {})[metric]
