"""Options that follow from functions and classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.draft.option import FLAG
from autofinetune.draft.parsers import SEVERAL
from tests.draft.helpers import options_of, reading_of

FUNCTION = """
{imports}
from typing import Literal, Optional
def train(
    data_dir: str, lr: float = 1e-3, hidden_size=64, opt: Literal["sgd", "adam"] = "sgd",
    bias: bool = True, dims: list[int] = (1, 2), decay: Optional[float] = None, *, wd: float = 0.0,
): ...
{call}
"""


@pytest.mark.parametrize(
    ("imports", "call", "names", "obstacle"),
    [
        ("import fire", "fire.Fire(train)", ("data_dir", "hidden_size"), ""),
        ("import fire", "fire.Fire()", ("data_dir", "hidden_size"), ""),
        ("import tyro", "tyro.cli(train)", ("data-dir", "hidden-size"), FLAG),
        ("import typer", "typer.run(train)", ("data-dir", "hidden-size"), FLAG),
        ("from jsonargparse import CLI", "CLI(train)", ("data_dir", "hidden_size"), ""),
    ],
)
def test_functions(
    tmp_path: Path, imports: str, call: str, names: tuple[str, str], obstacle: str
) -> None:
    found = options_of(tmp_path, FUNCTION.format(imports=imports, call=call))
    assert found.keys() == {*names, "lr", "opt", "bias", "dims", "decay", "wd"}
    assert found[names[0]].is_required
    assert (found["lr"].kind, found["lr"].default) == ("float", 0.001)
    assert (found[names[1]].kind, found[names[1]].default) == ("int", 64)
    assert found["opt"].choices == ("sgd", "adam")
    assert found["bias"].obstacle == obstacle
    assert found["dims"].obstacle == SEVERAL
    assert (found["decay"].kind, found["decay"].default) == ("float", None)
    assert found["wd"].default == 0.0


def test_a_fire_of_all_functions_has_subcommands(tmp_path: Path) -> None:
    text = FUNCTION.format(imports="import fire", call="fire.Fire()")
    assert reading_of(tmp_path, text).command == "train"


def test_commands_of_typer(tmp_path: Path) -> None:
    text = """
import typer
from typing import Annotated
app = typer.Typer()
@app.command()
def train(lr: float = typer.Option(0.1, help="the rate"),
          units: Annotated[int, typer.Option(help="how many")] = 8,
          name: str = typer.Option(...)): ...
"""
    reading = reading_of(tmp_path, f"{text}app()")
    lr, units, name = reading.options
    assert reading.command == ""
    assert (lr.default, lr.text) == (0.1, "the rate")
    assert (units.kind, units.default, units.text) == ("int", 8, "how many")
    assert name.default is None
    reading = reading_of(tmp_path, f"{text}@app.command()\ndef show(what: str): ...\napp()")
    assert reading.command == "train"


DATACLASS = """
from dataclasses import dataclass, field
{imports}
@dataclass
class Base:
    seed: int = 1
@dataclass
class Optim:
    lr: float = 0.1
@dataclass
class Args(Base):
    optim: Optim = field(default_factory=Optim)
    units: int = field(default=64, metadata={{"help": "how many"}})
    rate: float = 0.5
    '''the rate'''
    amp: bool = False
    name: str = field()
{call}
"""


@pytest.mark.parametrize(
    ("imports", "call", "obstacle"),
    [
        ("import tyro", "tyro.cli(Args)", FLAG),
        ("from transformers import HfArgumentParser", "HfArgumentParser((Args,))", ""),
        ("import simple_parsing", "p.add_arguments(Args, dest='x')", ""),
        ("import pyrallis", "pyrallis.parse(config_class=Args)", ""),
        ("import pyrallis", "@pyrallis.wrap()\ndef main(args: Args): ...", ""),
    ],
)
def test_dataclasses(tmp_path: Path, imports: str, call: str, obstacle: str) -> None:
    found = options_of(tmp_path, DATACLASS.format(imports=imports, call=call))
    assert list(found) == ["optim.lr", "units", "rate", "amp", "name", "seed"]
    assert (found["units"].default, found["units"].text) == (64, "how many")
    assert found["rate"].text == "the rate"
    assert found["amp"].obstacle == obstacle


def test_training_arguments_are_known(tmp_path: Path) -> None:
    text = """
import transformers
class TrainingArguments(transformers.TrainingArguments):
    optim: str = "adamw_torch"
transformers.HfArgumentParser((TrainingArguments,))
"""
    found = options_of(tmp_path, text)
    assert found["learning_rate"].default == 5e-5
    assert "optim" in found
    assert found["output_dir"].is_required


def test_tap(tmp_path: Path) -> None:
    found = options_of(
        tmp_path, "from tap import Tap\nclass A(Tap):\n    lr: float = 0.1\n    on: bool = False\n"
    )
    assert found["lr"].default == 0.1
    assert found["on"].obstacle == FLAG


def test_lightning(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "class Net(L.LightningModule):\n    def __init__(self, lr: float = 0.1, units=8): ...\n"
    )
    text = """
from lightning.pytorch.cli import LightningCLI
from model import Net
class Data:
    def __init__(self, batch_size: int = 32): ...
LightningCLI(Net, Data)
"""
    reading = reading_of(tmp_path, text)
    assert reading.command == "fit"
    assert [one.name for one in reading.options] == ["model.lr", "model.units", "data.batch_size"]
    text = text.replace("(Net, Data)", "(model_class=Net, run=False)")
    reading = reading_of(tmp_path, text)
    assert reading.command == ""
    assert [one.name for one in reading.options] == ["model.lr", "model.units"]
