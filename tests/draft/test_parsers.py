"""Options declared by calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.draft.option import FLAG, UNKNOWN
from autofinetune.draft.parsers import NO_NAME, ONLY_SHORT, SEVERAL
from tests.draft.helpers import options_of, reading_of

ARGPARSE = """
import argparse, os
OPTIMIZERS = {"sgd": f, "adam": g}
LR = 1e-3
p = argparse.ArgumentParser()
g = p.add_argument_group("model")
p.add_argument("data", help="where")
p.add_argument("more", nargs="?")
p.add_argument("--lr", "--learning-rate", "-l", default=LR * 2, type=float, help="the "
               "rate")
g.add_argument("--units", type=int, default=os.cpu_count())
g.add_argument("--opt", choices=OPTIMIZERS.keys(), default="sgd")
p.add_argument("--size", type=int, choices=[1, 2], required=True)
p.add_argument("--flag", action="store_true")
p.add_argument("--no-flag", dest="flag", action="store_false")
p.add_argument("--both", action=argparse.BooleanOptionalAction)
p.add_argument("--layers", nargs="+", type=int)
p.add_argument("--one", nargs="?", type=int, default=3)
p.add_argument("--list", action="append")
p.add_argument("--untyped", default=0.5)
p.add_argument("--bool", type=bool, default=True)
p.add_argument("--switch", type=str2bool, default=True)
p.add_argument("--via", type=lambda x: int(float(x)), default=7)
p.add_argument("--later", type=float)
p.add_argument("-s", type=float)
p.add_argument(*WORDS)
p.set_defaults(later=0.25)
args, rest = p.parse_known_args()
"""


def test_argparse(tmp_path: Path) -> None:
    found = options_of(tmp_path, ARGPARSE)
    lr = found["lr"]
    assert (lr.aliases, lr.kind, lr.default, lr.text) == (
        ("learning-rate",), "float", 0.002, "the rate",
    )  # fmt: skip
    assert (found["units"].default, found["units"].kind) == (UNKNOWN, "int")
    assert (found["opt"].choices, found["opt"].default) == (("sgd", "adam"), "sgd")
    assert found["size"].choices == (1, 2)
    assert found["later"].default == 0.25
    assert found["one"].default == 3
    assert [found[name].kind for name in ("switch", "via", "opt")] == ["bool", "int", "str"]
    assert {name for name, one in found.items() if one.is_required} == {"data", "size"}
    obstacles = {name: one.obstacle for name, one in found.items() if one.obstacle}
    assert "every value counts as true" in obstacles.pop("bool")
    assert "lacks type=float" in obstacles.pop("untyped")
    assert obstacles == {
        "data": NO_NAME, "more": NO_NAME, "s": ONLY_SHORT, "flag": FLAG, "no-flag": FLAG,
        "both": FLAG, "layers": SEVERAL, "list": SEVERAL,
    }  # fmt: skip


def test_the_options_of_the_subcommand_that_trains(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path,
        """
import argparse
base = argparse.ArgumentParser(add_help=False)
base.add_argument("--seed", type=int)
p = argparse.ArgumentParser()
p.add_argument("--root", type=int)
sub = p.add_subparsers()
train = sub.add_parser("train", parents=[base])
group = train.add_argument_group("x")
group.add_argument("--lr", type=float, default=0.1)
test = sub.add_parser("test")
test.add_argument("--top", type=int)
p.parse_args()
""",
    )
    assert reading.command == "train"
    assert [one.name for one in reading.options] == ["seed", "root", "lr"]
    (root,) = [one for one in reading.options if one.name == "root"]
    assert root.obstacle == "it must stand before the subcommand train"


def test_click(tmp_path: Path) -> None:
    found = options_of(
        tmp_path,
        """
import click
@click.command()
@click.option("--lr", "-l", "rate", default=0.1, help="the rate")
@click.option("--opt", type=click.Choice(["sgd", "adam"]), help="which [default: adam]")
@click.option("--units", type=int, required=True)
@click.option("--flag/--no-flag", default=False)
@click.option("--on", is_flag=True)
@click.option("--many", multiple=True)
@click.option("--mix", type=bool, default=False)
def main(**given): ...
main()
""",
    )
    assert (found["lr"].kind, found["lr"].default) == ("float", 0.1)
    assert (found["opt"].choices, found["opt"].default) == (("sgd", "adam"), "adam")
    assert found["units"].is_required
    assert [found[name].obstacle for name in ("flag", "on", "many", "mix")] == [
        FLAG, FLAG, SEVERAL, "",
    ]  # fmt: skip


def test_a_group_of_click_commands(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path,
        """
import click
@click.group()
def cli(): ...
@cli.command()
@click.option("--lr", default=0.1)
def fit(lr): ...
@cli.command("show")
@click.option("--what")
def other(what): ...
cli()
""",
    )
    assert reading.command == "fit"
    assert [one.name for one in reading.options] == ["lr"]


def test_absl(tmp_path: Path) -> None:
    found = options_of(
        tmp_path,
        """
from absl import app, flags
flags.DEFINE_float("lr", 0.1, "the rate", lower_bound=0)
flags.DEFINE_integer(name="units", default=64, help="units")
flags.DEFINE_enum("opt", "sgd", ["sgd", "adam"], "which")
flags.DEFINE_bool("nesterov", False, "or not")
flags.DEFINE_list("dims", ["1"], "several")
app.run(main)
""",
    )
    assert (found["lr"].kind, found["lr"].default, found["lr"].text) == ("float", 0.1, "the rate")
    assert (found["units"].default, found["units"].text) == (64, "units")
    assert (found["opt"].choices, found["opt"].text) == (("sgd", "adam"), "which")
    assert (found["nesterov"].kind, found["nesterov"].obstacle) == ("bool", "")
    assert found["dims"].obstacle == SEVERAL


@pytest.mark.parametrize("call", ["p.add_arg", "p.add", "p.add_option"])
def test_relatives_of_argparse(tmp_path: Path, call: str) -> None:
    found = options_of(tmp_path, f"import configargparse\n{call}('--lr', type=float, default=1.)")
    assert found["lr"].default == 1.0
