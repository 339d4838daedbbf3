"""Source and `--help` complete each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.draft.parsers import ONLY_SHORT
from autofinetune.draft.read import last_line
from autofinetune.errors import UsageError
from tests.draft.helpers import options_of, reading_of

START = "import argparse, os\np = argparse.ArgumentParser()\n"
END = "p.parse_args()\n"


def test_help_completes_the_source(tmp_path: Path) -> None:
    text = f"""{START}
for name, kind in (("units", int), ("rate", float)):
    p.add_argument("--" + name, type=kind, default=kind(7), help=f"the {{name}} (default: 7)")
p.add_argument("--lr", type=float, default=float(os.environ.get("X", 0.5)), help="(default: %(default)s)")
p.add_argument("--opt", choices=sorted(x for x in "ab"), default="a")
p.add_argument("--hidden_lr", type=float, help=argparse.SUPPRESS)
p.add_argument("-s", type=float)
p.add_argument("--größe", type=int)
p.add_argument("--amp", action="store_true")
{END}"""  # noqa: E501
    found = options_of(tmp_path, text, is_asked=True)
    assert list(found) == ["lr", "opt", "s", "größe", "amp", "units", "rate"]
    assert (found["units"].kind, found["units"].default) == ("int", 7)
    assert found["lr"].default == 0.5
    assert found["opt"].choices == ("a", "b")
    assert found["s"].obstacle == ONLY_SHORT
    assert "cannot have this name" in found["größe"].obstacle


def test_what_help_says_is_required(tmp_path: Path) -> None:
    text = f"{START}p.add_argument('--data', required=bool(os), type=int)\n{END}"
    assert not options_of(tmp_path, text)["data"].is_required
    assert options_of(tmp_path, text, is_asked=True)["data"].is_required


def test_a_script_that_fails_is_only_read(tmp_path: Path) -> None:
    text = f"{START}import no_such_package\np.add_argument('--lr', type=float, default=.1)\n{END}"
    reading = reading_of(tmp_path, text, is_asked=True)
    assert [one.name for one in reading.options] == ["lr"]
    assert "No module named 'no_such_package'" in reading.problem
    assert not reading.was_asked


def test_a_script_without_a_parser_is_not_run(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, "open('trained', 'w')", is_asked=True)
    assert reading.options == []
    assert not (tmp_path / "trained").exists()


def test_the_options_of_the_tuner_are_not_the_users(tmp_path: Path) -> None:
    text = f"{START}p.add_argument('--model_path')\np.add_argument('--saved_params_dir')\n{END}"
    reading = reading_of(tmp_path, text)
    assert reading.options == []
    assert reading.continues_models
    assert not reading_of(tmp_path, "model_path = 1").continues_models


def test_a_program_in_another_language_is_asked(tmp_path: Path) -> None:
    (tmp_path / "train").write_text(
        "#!/bin/sh\necho 'usage: train'; echo; echo '  --lr LR  rate'\n"
    )
    (tmp_path / "train").chmod(0o755)
    text = (tmp_path / "train").read_text()
    reading = reading_of(tmp_path, text, is_asked=True, name="train")
    assert [one.name for one in reading.options] == ["lr"]
    assert reading.modules == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f(:", "train.py:1:7 not valid Python: invalid syntax"),
        ("x = 1\nprint 'x'", "train.py:2:1 not valid Python: Missing parentheses"),
        ("x = '\0'", "not valid Python"),
        ("(" * 500 + ")" * 500, "not valid Python"),
    ],
)
def test_what_is_not_python(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        reading_of(tmp_path, text)
    assert why in caught.value.message


@pytest.mark.parametrize("name", ["nothing.py", ".", "x\0y"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    from autofinetune.draft.read import python_source

    with pytest.raises(UsageError, match="cannot read"):
        python_source(name, "python3", str(tmp_path), {})


def test_large_scripts_and_odd_encodings(tmp_path: Path) -> None:
    data = "DATA = [" + "1," * 100_000 + "]\n# é\n"
    text = f"{data}{START}p.add_argument('--lr', type=float, default=0.1)\n{END}"
    assert list(options_of(tmp_path, text)) == ["lr"]


def test_the_last_line_of_a_traceback() -> None:
    assert last_line("Traceback\n  x\nValueError: y\n\n") == "ValueError: y"
    assert last_line("\n") == ""
