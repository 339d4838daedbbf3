"""Write data.jsonl, text with junk in it, and held_out.jsonl, clean text that is not in it.

    python make_data.py [--samples=1500] [--junk=0.4] [--seed=0]

The text comes from the docstrings of Python's standard library, the junk is made of it; `kind`
tells which a sample is. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from autofinetune.recipe.made_text import docstrings, samples

EVERY = 10  # one paragraph of so many is held out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--junk", type=float, default=0.4, help="the share of junk")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    texts = docstrings()
    clean = [text for place, text in enumerate(texts) if place % EVERY]
    _write("data.jsonl", samples(clean, given.samples, given.junk, given.seed))
    _write("held_out.jsonl", [{"text": text} for text in texts[::EVERY]])


def _write(name: str, rows: list[dict[str, str]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path(name).write_text("".join(lines), encoding="utf-8")
    print(f"{name}: {len(rows)} samples")


if __name__ == "__main__":
    main()
