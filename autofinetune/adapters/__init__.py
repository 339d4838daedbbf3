"""Adapters for tools inside a trial: one file per tool, standard library only until it is used.

A file has a function for each module that it hooks into, called with the module after its import.
It may have `environment()`, which returns the variables that its tool reads.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# By module: the file here, and its function.
HOOKS: Mapping[str, tuple[str, str]] = {
    "shutil": ("paddlehub", "on_shutil"),
    "paddlehub": ("paddlehub", "on_package"),
    "paddlehub.autofinetune.evaluator": ("paddlehub", "on_package"),
    "paddle.hapi.model": ("paddle", "on_model"),
    "wandb": ("wandb", "on_package"),
    "wandb.sdk.wandb_run": ("wandb", "on_run"),
    "wandb.sdk.wandb_init": ("wandb", "on_init"),
    "wandb.sdk.lib.noop_run": ("wandb", "on_disabled"),
    "wandb.sdk.wandb_summary": ("wandb", "on_summary"),
    "lightning.pytorch.trainer.trainer": ("lightning", "on_trainer"),
    "pytorch_lightning.trainer.trainer": ("lightning", "on_trainer"),
    "transformers.trainer": ("transformers", "on_trainer"),
    "accelerate.accelerator": ("accelerate", "on_accelerator"),
    "keras.src.backend.torch.trainer": ("keras", "on_backend"),
    "keras.src.backend.tensorflow.trainer": ("keras", "on_backend"),
    "keras.src.backend.jax.trainer": ("keras", "on_backend"),
    "keras.src.engine.training": ("keras", "on_engine"),
    "keras.engine.training": ("keras", "on_engine"),
    "tf_keras.src.engine.training": ("keras", "on_engine"),
    "tensorflow.python.keras.engine.training": ("keras", "on_engine"),
    "xgboost.training": ("xgboost", "on_training"),
    "lightgbm.engine": ("lightgbm", "on_engine"),
    "torch.utils.tensorboard.writer": ("tensorboard", "on_writer"),
    "tensorboardX.writer": ("tensorboard", "on_writer"),
    "visualdl.writer.writer": ("tensorboard", "on_writer"),
    "mlflow.tracking._tracking_service.client": ("mlflow", "on_client"),
    "mlflow.store.tracking.sqlalchemy_store": ("mlflow", "on_store"),
    "hydra.core.utils": ("hydra", "on_utils"),
    "ray.train": ("ray", "on_report"),
    "ray.tune": ("ray", "on_report"),
}
