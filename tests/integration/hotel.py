"""What the documents about Trainer download, made on the spot: hotel reviews and a tiny BERT.

`python -m tests.integration.hotel DIRECTORY` writes `ChnSentiCorp_htl_all.csv` with the columns
label and review, `hfl/rbt3` with a model of one layer and its tokenizer, which reads single
characters, and the document's script with our search at its end as `tune_reviews.py`.
"""

# ruff: noqa: E501  the lines of the document

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path
from typing import Any

SCRIPT = """
from transformers import AutoTokenizer, AutoModelForSequenceClassification, Trainer, TrainingArguments
from datasets import load_dataset
import torch

dataset = load_dataset("csv", data_files="ChnSentiCorp_htl_all.csv", split="train")
dataset = dataset.filter(lambda x: x["review"] is not None)
datasets = dataset.train_test_split(test_size=0.1)

tokenizer = AutoTokenizer.from_pretrained("hfl/rbt3")

def process_function(examples):
   tokenized_examples = tokenizer(examples["review"], max_length=128, truncation=True)
   tokenized_examples["labels"] = examples["label"]
   return tokenized_examples

tokenized_datasets = datasets.map(process_function, batched=True, remove_columns=datasets["train"].column_names)

def model_init():
   model = AutoModelForSequenceClassification.from_pretrained("hfl/rbt3")
   return model

def eval_metric(eval_predict):
    predictions, labels = eval_predict
    predictions = predictions.argmax(axis=-1)
    acc = {"accuracy": float((predictions == labels).mean())}
    hits = ((predictions == 1) & (labels == 1)).sum()
    f1 = {"f1": float(2 * hits / max(1, (predictions == 1).sum() + (labels == 1).sum()))}
    acc.update(f1)
    return acc

train_args = TrainingArguments(output_dir="./checkpoints",      # 输出文件夹
                               per_device_train_batch_size=64,  # 训练时的batch_size
                               per_device_eval_batch_size=128,  # 验证时的batch_size
                               logging_steps=500,               # log 打印的频率
                               eval_strategy="epoch",           # 评估策略
                               save_strategy="epoch",           # 保存策略
                               save_total_limit=3,              # 最大保存数
                               learning_rate=2e-5,              # 学习率
                               weight_decay=0.01,               # weight_decay
                               metric_for_best_model="f1",      # 设定评估指标
                               load_best_model_at_end=True)     # 训练完成后加载最优模型

from transformers import DataCollatorWithPadding
trainer = Trainer(model_init=model_init,
                  args=train_args,
                  train_dataset=tokenized_datasets["train"],
                  eval_dataset=tokenized_datasets["test"],
                  data_collator=DataCollatorWithPadding(tokenizer=tokenizer),
                  compute_metrics=eval_metric)

trainer.train()

def default_hp_space_optuna(trial):
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-6, 1e-4, log=True),
        "num_train_epochs": trial.suggest_int("num_train_epochs", 1, 5),
        "seed": trial.suggest_int("seed", 1, 40),
        "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", [4, 8, 16, 32, 64]),
        "optim": trial.suggest_categorical("optim", ["sgd", "adamw_torch"]),
    }
"""
SEARCH = """
from autofinetune.integration.transformers import hyperparameter_search

best = hyperparameter_search(trainer, hp_space=default_hp_space_optuna, compute_objective=lambda x: x["eval_f1"],
                             direction="maximize", n_trials=10)
print(best)
"""
GOOD = ["干净", "舒服", "满意", "热情", "方便", "安静", "推荐", "便宜", "不错", "温馨"]
BAD = ["吵闹", "肮脏", "失望", "破旧", "冷漠", "太贵", "漏水", "难闻", "差劲", "投诉"]
OTHER = [
    "酒店",
    "房间",
    "前台",
    "服务",
    "位置",
    "地铁",
    "我们",
    "这次",
    "入住",
    "感觉",
    "晚上",
    "早上",
    "洗澡",
    "电视",
]
ROWS = 160
MORE_ROWS, STEPS = 512, 40  # with which the model was trained before it is found


def reviews(rows: int = ROWS, seed: int = 1) -> list[tuple[int, str | None]]:
    """Return labels and reviews; a few reviews are missing, as in the original."""
    source = random.Random(seed)
    found: list[tuple[int, str | None]] = []
    for number in range(rows):
        label = int(source.random() < 0.6)
        meant, other = (GOOD, BAD) if label else (BAD, GOOD)
        words = source.choices(OTHER, k=4) + source.choices(meant, k=2) + source.choices(other)
        source.shuffle(words)
        found.append((label, None if number % 40 == 7 else "，".join(words) + "。"))
    return found


def write(at: Path) -> None:
    """Write the reviews, the tokenizer and the model."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    with (at / "ChnSentiCorp_htl_all.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("label", "review"), *reviews()])
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = sorted(set("".join(GOOD + BAD + OTHER)))
    words = {word: number for number, word in enumerate(special + letters)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    given = dict(zip(names, special, strict=True))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **given)
    fast.save_pretrained(at / "hfl/rbt3")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=64, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=160,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    train(model, fast)
    model.bert.save_pretrained(at / "hfl/rbt3")


def train(model: Any, tokenizer: Any) -> None:
    """Train a model on other reviews, so that it knows something before a search begins."""
    import torch

    rows = [(label, text) for label, text in reviews(MORE_ROWS, seed=2) if text is not None]
    labels = torch.tensor([label for label, _ in rows])
    inputs = tokenizer([text for _, text in rows], padding=True, return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(STEPS):
        chosen = torch.randint(len(rows), (32,))
        batch = {name: values[chosen] for name, values in inputs.items()}
        optimizer.zero_grad()
        model(**batch, labels=labels[chosen]).loss.backward()
        optimizer.step()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    (Path(sys.argv[1]) / "tune_reviews.py").write_text(SCRIPT + SEARCH, encoding="utf-8")
