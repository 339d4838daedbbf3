"""The hyperparameters of classes of other packages that scripts take their options from.

`--help` of the script names more of them, where these packages are installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autofinetune.draft.option import ScriptOption

_SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")
# The fields of transformers.TrainingArguments that change the training.
_TRAINING = (
    ScriptOption("learning_rate", kind="float", default=5e-5, text="initial learning rate"),
    ScriptOption("weight_decay", kind="float", default=0.0, text="weight decay of AdamW"),
    ScriptOption("per_device_train_batch_size", kind="int", default=8, text="batch size"),
    ScriptOption("num_train_epochs", kind="float", default=3.0, text="number of epochs"),
    ScriptOption("max_steps", kind="int", default=-1, text="overrides num_train_epochs"),
    ScriptOption("warmup_ratio", kind="float", default=0.0, text="part of the steps for warmup"),
    ScriptOption("warmup_steps", kind="int", default=0, text="steps of warmup"),
    ScriptOption("lr_scheduler_type", kind="str", default="linear", choices=_SCHEDULES,
                 text="schedule of the learning rate"),
    ScriptOption("label_smoothing_factor", kind="float", default=0.0, text="label smoothing"),
    ScriptOption("gradient_accumulation_steps", kind="int", default=1,
                 text="batches for each step"),
    ScriptOption("adam_beta1", kind="float", default=0.9, text="beta1 of AdamW"),
    ScriptOption("adam_beta2", kind="float", default=0.999, text="beta2 of AdamW"),
    ScriptOption("adam_epsilon", kind="float", default=1e-8, text="epsilon of AdamW"),
    ScriptOption("max_grad_norm", kind="float", default=1.0, text="clipping of gradients"),
    ScriptOption("output_dir", kind="str", text="where the model is saved", is_required=True),
)  # fmt: skip
KNOWN_CLASSES: Mapping[str, Sequence[ScriptOption]] = {
    "TrainingArguments": _TRAINING,
    "Seq2SeqTrainingArguments": _TRAINING,
    "SFTConfig": _TRAINING,
    "DPOConfig": _TRAINING,
}
