"""Of modules beside the script, only what it refers to counts."""

from __future__ import annotations

from pathlib import Path

from tests.draft.helpers import options_of

PARSER = """
import argparse
p = argparse.ArgumentParser()
p.add_argument("--{name}", type=float, default=0.1)
p.parse_args()
"""


def test_a_parser_in_another_module(tmp_path: Path) -> None:
    (tmp_path / "options.py").write_text(
        "import argparse\nfrom defaults import LR\n"
        "def parse():\n    p = argparse.ArgumentParser()\n    add(p)\n    return p.parse_args()\n"
        "def add(p): p.add_argument('--lr', type=float, default=LR)\n"
        "def unused(p): p.add_argument('--unused')\n"
        "if __name__ == '__main__':\n    parse().add_argument('--main')\n"
    )
    (tmp_path / "defaults.py").write_text("LR = 0.5\n")
    found = options_of(tmp_path, "from options import parse\nargs = parse()\n")
    assert list(found) == ["lr"]
    assert found["lr"].default == 0.5


def test_the_parser_of_a_neighbour_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "val.py").write_text(
        "import argparse\ndef run(): ...\n"
        "def parse(): argparse.ArgumentParser().add_argument('--conf', type=float)\n"
    )
    text = PARSER.format(name="lr") + "import val\ndef parse(): ...\nval.run(parse())\n"
    assert list(options_of(tmp_path, text)) == ["lr"]


def test_the_first_one_of_two_options_counts(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(PARSER.format(name="lr").replace("0.1", "9."))
    assert options_of(tmp_path, PARSER.format(name="lr") + "import more\n")["lr"].default == 0.1
