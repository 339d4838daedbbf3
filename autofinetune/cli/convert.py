"""`autofinetune convert`: convert search spaces and manifests of other tools to our formats."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.cli.options import Parser
from autofinetune.cli.words import note
from autofinetune.errors import UsageError
from autofinetune.space import dump_yaml, load_space, read_yaml
from autofinetune.space.hydra import is_hydra
from autofinetune.store.directory import write_atomically

_PROGRAMS = {"program", "command"}  # without one of these a W&B sweep is a search space


def convert_command(argv: Sequence[str]) -> int:
    """Print the converted file, or write it to `--out`, and return the exit code."""
    parser = Parser(
        "convert",
        description="Convert a search space to an hparam.yaml for --param_file, or a manifest to "
        "a config.yaml for `autofinetune run`.",
    )
    parser.add_argument(
        "file",
        help="an NNI search space, a Hydra sweeper or an hparam.yaml; a W&B sweep, an NNI "
        "configuration, a Katib experiment or an AutoTuneExperiment",
    )
    parser.add_argument("--out", metavar="FILE", help="output file (default: print the result)")
    parser.add_argument(
        "--space", action="store_true", help="convert only the search space of a manifest"
    )
    options = parser.parse_args(argv)
    out = Path(options.out) if options.out else None
    if out is not None and out.exists():
        raise UsageError(f"--out={out} already exists", "give another name, or remove the file")
    described, notes = _described(Path(options.file), only_space=options.space)
    for sentence in notes:
        note(sentence)
    comments = [f"Converted from {Path(options.file).name}.", *notes]
    text = "".join(f"# {line}\n" for line in comments) + dump_yaml(described)
    if out is None:
        sys.stdout.buffer.write(text.encode())  # the same bytes as in a file, whatever the locale
        sys.stdout.flush()
    else:
        write_atomically(out, text.encode())
    return 0


def _described(file: Path, *, only_space: bool) -> tuple[Mapping[str, Any], Sequence[str]]:
    # Imported late: a search space does not need the strategies that a manifest may name.
    from autofinetune.manifests import read_manifest

    top = read_yaml(file).value
    is_space = isinstance(top, Mapping) and (
        is_hydra(top) or ("parameters" in top and not _PROGRAMS & top.keys())
    )
    manifest = None if is_space else read_manifest(file, check_files=False)
    if manifest is None:
        space = load_space(file)
        return space.describe(), space.notes
    if only_space:
        return {"param_list": manifest.options["param_list"]}, manifest.notes
    return manifest.options, manifest.notes
