"""What the documents about Trainer download, made on the spot: hotel reviews and a tiny BERT.

`python hotel.py DIRECTORY` writes `ChnSentiCorp_htl_all.csv` with the columns label and review,
and `hfl/rbt3` with a model of one layer and its tokenizer, which reads single characters.
"""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

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
ROWS = 96


def reviews(rows: int = ROWS) -> list[tuple[int, str | None]]:
    """Return labels and reviews; a few reviews are missing, as in the original."""
    source = random.Random(1)
    found: list[tuple[int, str | None]] = []
    for number in range(rows):
        label = int(source.random() < 0.6)
        words = source.choices(OTHER, k=4) + source.choices(GOOD if label else BAD, k=3)
        source.shuffle(words)
        found.append((label, None if number % 40 == 7 else "，".join(words) + "。"))
    return found


def write(at: Path) -> None:
    """Write the reviews, the tokenizer and the model."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

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
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **given).save_pretrained(at / "hfl/rbt3")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=160,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(at / "hfl/rbt3")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
