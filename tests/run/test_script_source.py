"""Find the commands that have an option parser, without running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from autofinetune.run.script_source import source_of

ENV = {"PATH": "/usr/bin:/bin"}


def has_parser(words: Sequence[str], folder: str, env: Mapping[str, str]) -> bool:
    source = source_of(words, folder, env)
    return source is not None and source.has_parser


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("import argparse\nargparse.x()", True), ("import argparse as a\na.x()", True),
        ("import argparse", False), ("import argparse as a\nargparse", False),
        ("from argparse import ArgumentParser", True),
        ("import click\nclick.x", True), ("def main():\n    import fire\n    fire.x", True),
        ("from absl import app, flags", True), ("from docopt import docopt", True),
        ("from tap import Tap", True), ("import tyro\ntyro.x", True),
        ("import plac\nplac.x", True),
        ("from transformers import HfArgumentParser", True),
        ("from lightning.pytorch.cli import LightningCLI", True),
        ("import tensorflow as tf\nflags = tf.app.flags", True),
        ("import tensorflow as tf\ntf.compat.v1.flags.DEFINE_float('x', 0, '')", True),
        ("# learns from clicks, with argparse and typer", False),
        ("flags = 'ArgumentParser'", False), ("import numpy as np\nx = np.ones(1).flags", False),
        ("import json, sys", False), ("this is no Python", False), ("", False),
    ],
)  # fmt: skip
def test_a_script(tmp_path: Path, text: str, is_one: bool) -> None:
    (tmp_path / "train.py").write_text(text)
    assert has_parser(["python3", "train.py"], str(tmp_path), ENV) is is_one


@pytest.mark.parametrize(
    ("script", "module", "path"),
    [
        ("from opts import parse", "opts.py", ""),
        ("from opts.cli import parse", "opts/cli.py", ""),
        ("from opts import cli", "opts/cli.py", ""),
        ("import opts", "opts/__init__.py", ""),
        ("import opts", "lib/opts.py", "lib"),
        ("import opts", "lib/opts.py", "/nowhere:{folder}/lib"),
    ],
)
def test_a_parser_in_another_module(tmp_path: Path, script: str, module: str, path: str) -> None:
    (tmp_path / "train.py").write_text(script)
    (tmp_path / module).parent.mkdir(exist_ok=True)
    env = {**ENV, "PYTHONPATH": path.format(folder=tmp_path)}
    (tmp_path / module).write_text("import json, train")
    assert not has_parser(["python3", "train.py"], str(tmp_path), env)
    (tmp_path / module).write_text("import argparse\nargparse.x()")
    assert has_parser(["python3", "train.py"], str(tmp_path), env)


def test_a_checkout_of_a_known_library_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("from autofinetune import report_final_result")
    (tmp_path / "autofinetune").mkdir()
    (tmp_path / "autofinetune" / "__init__.py").write_text("import argparse\nargparse.x()")
    assert not has_parser(["python3", "train.py"], str(tmp_path), ENV)


def test_a_relative_import(tmp_path: Path) -> None:
    package = tmp_path / "mine" / "inner"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("from ..options import parse")
    (tmp_path / "mine" / "options.py").write_text("from .deep import parse")
    (tmp_path / "mine" / "deep.py").write_text("import argparse\nargparse.x()")
    assert has_parser(["python3", "-m", "mine.inner"], str(tmp_path), ENV)
    (tmp_path / "mine" / "deep.py").write_text("")
    assert not has_parser(["python3", "-m", "mine.inner"], str(tmp_path), ENV)
    assert not has_parser(["python3", "-m", "not.here"], str(tmp_path), ENV)


def test_a_program_that_is_python_and_one_that_is_not(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "mytool"
    program.parent.mkdir()
    program.write_text("#!/usr/bin/env python3\nimport argparse\nargparse\n")
    program.chmod(0o755)
    assert has_parser(["bin/mytool"], str(tmp_path), ENV)
    assert has_parser(["mytool"], str(tmp_path), {"PATH": str(program.parent)})
    assert not has_parser(["mytool"], str(tmp_path), ENV)
    program.write_text("#!/bin/sh\n# argparse\n")
    assert not has_parser(["bin/mytool"], str(tmp_path), ENV)
    assert not has_parser(["bash", "train.sh"], str(tmp_path), ENV)
    assert not has_parser([], str(tmp_path), ENV)
