"""Hugging Face: the Trainer with its own parser of options, and accelerate."""

from __future__ import annotations

import pytest

from .helpers import STOP, Place, states
from .libraries import check, exit_code

TRAINER = """
import os, time
from dataclasses import dataclass, field
import torch
from transformers import (
    BertConfig, BertForSequenceClassification, HfArgumentParser, Trainer, TrainingArguments,
)

@dataclass
class ModelArguments:
    hidden_size: int = field(default=16)

parser = HfArgumentParser((ModelArguments, TrainingArguments))
model_args, training_args = parser.parse_args_into_dataclasses()
is_good = training_args.learning_rate > 1e-3
training_args.num_train_epochs = 2 if is_good else 1000

class Texts(torch.utils.data.Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        time.sleep(0.0 if is_good else 0.02)
        return {"input_ids": torch.full((4,), index % 2 + 1), "labels": index % 2}

def metrics(prediction):
    return {"accuracy": (prediction.predictions.argmax(1) == prediction.label_ids).mean()}

torch.manual_seed(1)
model = BertForSequenceClassification(BertConfig(
    vocab_size=8, hidden_size=model_args.hidden_size, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=8))
trainer = Trainer(model, training_args, train_dataset=Texts(), eval_dataset=Texts(),
                  compute_metrics=metrics)
trainer.train()
values = [log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log]
print(values[-1], len(values), file=open(os.environ["LEDGER"], "a"))
trainer.save_model()
"""
SPACE = """\
param_list:
 - name : learning_rate
   type : choice
   choices : [0.05, 0.000001]
"""


@pytest.mark.stranger(
    "transformers", "`HfArgumentParser` and `Trainer`, `output_dir=${saved_params_dir}`; early "
    "stopping", "transformers", "torch",
)  # fmt: skip
def test_trainer(place: Place) -> None:
    place.write(hparam_yaml=SPACE, train_py=TRAINER)
    trials = place.tune(
        "--metric=eval_loss", "--direction=minimize", *STOP, "--", "--eval_strategy=epoch",
        "--save_strategy=no", "--report_to=none", "--use_cpu=true", "--disable_tqdm=true",
        "--output_dir=${saved_params_dir}",
    )  # fmt: skip
    assert states(trials) == ["COMPLETED", "STOPPED"], place.log(0) + place.log(1)
    value, epochs = map(float, place.ledger()[0].split())
    assert float(trials[0]["score"]) == pytest.approx(value)
    assert epochs == 2
    assert exit_code(place, 1) == 0
    assert (place.model(0) / "model.safetensors").is_file()
    assert (place.root / "result/best_model/config.json").is_file()


CONTINUES = """
import os
from dataclasses import dataclass, field
import torch
from transformers import (
    BertConfig, BertForSequenceClassification, HfArgumentParser, Trainer, TrainingArguments,
)

@dataclass
class ModelArguments:
    hidden_size: int = field(default=16)

parser = HfArgumentParser((ModelArguments, TrainingArguments))
model_args, training_args = parser.parse_args_into_dataclasses()

class Texts(torch.utils.data.Dataset):
    def __len__(self):
        return 32

    def __getitem__(self, index):
        return {"input_ids": torch.full((4,), index % 2 + 1), "labels": index % 2}

torch.manual_seed(1)
model = BertForSequenceClassification(BertConfig(
    vocab_size=8, hidden_size=model_args.hidden_size, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=8))
trainer = Trainer(model, training_args, train_dataset=Texts(), eval_dataset=Texts())
trainer.train(resume_from_checkpoint=training_args.resume_from_checkpoint)
first, *_ = trainer.state.log_history
print(first["loss"], first["learning_rate"], training_args.learning_rate,
      trainer.state.global_step, bool(training_args.resume_from_checkpoint),
      file=open(os.environ["LEDGER"], "a"))
trainer.save_model()
"""
RATES = """\
param_list:
 - name : learning_rate
   init_value : 0.01
   type : float
   greater_than : 0.005
   lower_than : 0.02
"""


@pytest.mark.stranger(
    "transformers", "`train(resume_from_checkpoint=...)`, `--evaluator=populationbased`, "
    "`resume_from_checkpoint=${model_path}`; `--preload=transformers:Trainer`", "transformers",
)  # fmt: skip
def test_trainer_continues_models(place: Place) -> None:
    place.write(hparam_yaml=RATES, train_py=CONTINUES)
    done = place.run(
        "train.py", "--param_file=hparam.yaml", "--output_dir=result", "--popsize=1", "--round=2",
        "--gpu=cpu:1", "--evaluator=populationbased", "--tuning_strategy=random",
        "--exploit=better_half",
        "--metric=eval_loss", "--direction=minimize",
        "--preload=transformers:Trainer", "--seed=1", "--", "--eval_strategy=epoch",
        "--save_strategy=epoch", "--logging_steps=1", "--report_to=none", "--use_cpu=true",
        "--num_train_epochs=2", "--disable_tqdm=true", "--output_dir=${saved_params_dir}",
        "--resume_from_checkpoint=${model_path}",
    )  # fmt: skip
    assert done.code == 0, place.explain(done)
    assert "preload: transformers imported in" in done.out
    first, second = (line.split() for line in place.ledger())
    assert (first[4], second[4]) == ("False", "True")
    # The weights continue, for as many epochs again, with the rate of the new trial.
    assert float(second[0]) < float(first[0])
    assert first[3] == second[3] == "8"
    assert float(second[1]) == pytest.approx(float(second[2]))
    assert first[2] != second[2]


ACCELERATE = """
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

accelerator = Accelerator(cpu=True)
accelerator.init_trackers("digits", config=vars(args))
torch.manual_seed(1)
data = DataLoader(TensorDataset(torch.tensor(x), torch.tensor(y)), 32)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), args.lr)
model, optimizer, data = accelerator.prepare(model, optimizer, data)
for epoch in range(EPOCHS):
    for inputs, labels in data:
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
    accelerator.log({"train_loss": loss.item(), "epoch": epoch}, step=epoch)
    wait()
accelerator.end_training()
done(loss.item(), EPOCHS)
"""


@pytest.mark.stranger("accelerate", "`accelerator.log`; early stopping", "accelerate", "torch")
def test_accelerate(place: Place) -> None:
    check(place, ACCELERATE, "--metric=train_loss")
