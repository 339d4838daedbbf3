"""`autofinetune convert`: any search space that --param_file takes, as hparam.yaml."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from autofinetune.cli.options import Parser
from autofinetune.errors import UsageError
from autofinetune.paths import write_atomically
from autofinetune.space import dump_yaml, load_space


def convert_command(argv: Sequence[str]) -> int:
    """Print the space, or write it to a file; returns the exit code."""
    parser = Parser(prog="autofinetune convert", description=__doc__, allow_abbrev=False)
    parser.add_argument("file", help="a search space of NNI, a sweep of W&B, or an hparam.yaml")
    parser.add_argument("--out", metavar="FILE", help="where to write it (default: print it)")
    options = parser.parse_args(list(argv))
    space = load_space(options.file)
    out = Path(options.out) if options.out else None
    if out is not None and out.exists():
        raise UsageError(f"--out={out} exists already", "give another name, or remove it")
    for note in space.notes:
        print(f"note: {note}", file=sys.stderr)
    comments = [f"Converted from {Path(options.file).name}.", *space.notes]
    text = "".join(f"# {line}\n" for line in comments) + dump_yaml(space.describe())
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text.encode())
    return 0
