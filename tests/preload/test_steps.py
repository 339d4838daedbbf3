"""What `--preload` imports: named modules, or what the script imports at its top."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from autofinetune.preload.steps import mistakes, steps_of, words_of


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script with local modules, installed packages and other modules."""
    installed = tmp_path / "lib/site-packages"
    (installed / "package/inner").mkdir(parents=True)
    (installed / "package/__init__.py").write_text("raise AssertionError('imported')")
    (installed / "package/inner/__init__.py").write_text("")
    (installed / "single.py").write_text("raise AssertionError('imported')")
    (installed / "folder_too").mkdir()
    (installed / "folder_too/__init__.py").write_text("")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/shared.py").write_text("")
    (tmp_path / "elsewhere/changes_things.py").write_text("import os\nos.environ['ONE'] = '1'\n")
    (tmp_path / "elsewhere/packaged").mkdir()
    (tmp_path / "elsewhere/packaged/__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(installed), str(tmp_path / "elsewhere"), *sys.path])
    work = tmp_path / "work"
    for name in ("neighbour.py", "neighbours/__init__.py", "folder_too/data"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("")
    return work / "train.py"


def read(script: Path, text: str) -> tuple[tuple[str, ...], str]:
    script.write_text(text)
    return steps_of("auto", script)


def test_modules_are_named_with_commas_or_spaces() -> None:
    assert words_of("torch, transformers:AutoModel numpy,") == (
        "torch", "transformers:AutoModel", "numpy",
    )  # fmt: skip
    assert words_of("auto") == words_of("none") == ()
    assert steps_of("torch,numpy", Path("no such script")) == (("torch", "numpy"), "")


def test_imports_of_installed_modules_are_taken_in_order(script: Path) -> None:
    text = '''
"""A script."""
from __future__ import annotations
import json, single
import package.inner as p
from package import inner, other
from collections import *
import neighbour, shared, not_there
from . import y
import folder_too
import autofinetune as hub
import single
from neighbours import x
'''
    assert read(script, text) == (
        (
            "json", "single", "package.inner", "package:inner", "package:other", "collections",
            "folder_too", "autofinetune",
        ),
        "",
    )  # fmt: skip


def test_imports_that_may_not_happen_are_left_to_the_trials(script: Path) -> None:
    text = """
try:
    from package import new
except ImportError:
    from package import old
else:
    import json
finally:
    import re
if sys.version_info < (3, 11):
    import tomllib
elif True:
    import string
else:
    import textwrap
if TYPE_CHECKING:
    import single
def f():
    import decimal
class C:
    import fractions
"""
    assert read(script, text) == (("package:new?", "re?"), "")


def test_variables_that_the_script_sets_are_set_in_their_place(script: Path) -> None:
    text = """
import os
os.environ["ONE"] = "a=b"
os.environ.setdefault("TWO", "2")
import single
os.environ["THREE"] = "3"
"""
    assert read(script, text) == (("os", "ONE=a=b", "TWO?=2", "single", "THREE=3"), "")


@pytest.mark.parametrize(
    "statement",
    [
        "os.environ['ONE'] = value()",
        "os.environ['A=B'] = '1'",
        "os.environ[name] = '1'",
        "os.environ.setdefault('ONE')",
        "os.environ.update(ONE='1')",
        "os.environ['ONE'] += '1'",
        "del os.environ['ONE']",
        "json.x = 1",
        "a, json.x = 1, 2",
        "x: int = 1; json.y: int = 1",
        "load_settings()",
        "with json: pass",
        "for x in y: pass",
        "if x:\n    os.environ['ONE'] = '1'",
        "try:\n    set_up()\nexcept E:\n    pass",
        "assert x",
        "is_loaded = load_dotenv()",
        "x: int = load()",
        "if load(): pass",
        "class C:\n    x = load()",
        "class C:\n    os.environ['ONE'] = '1'",
        "@register()\nclass C: pass",
        "class C(make()): pass",
        "def f(x=load()): pass",
        "@register('f')\ndef f(): pass",
        "@register\ndef f(): pass",
        "@register\nclass C: pass",
        "warnings.filterwarnings(kind())",
        "warnings.warn('x')",
        "import changes_things",
        "import packaged.inner",
        "import relative",
        "if x:\n    import package.inner",
        "import packaged",
        "import neighbours",
        "from neighbours.inner import x",
        "import settings",
        "from uses_settings import y",
        "import broken",
    ],
)
def test_what_may_change_imports_ends_them(script: Path, statement: str) -> None:
    (script.parent / "relative.py").write_text("from .settings import x\n")
    (script.parent / "settings.py").write_text("import os\nos.environ['ONE'] = '1'\n")
    (script.parent / "uses_settings.py").write_text("import uses_settings, settings\n")
    (script.parent / "broken.py").write_text("x = (\n")
    steps, note = read(script, f"import json\n{statement}\nimport single, neighbour\nimport re")
    assert steps == ("json",)
    assert note == (
        f"single, re is imported after line {note.split('line ')[1].split()[0]} of train.py, "
        "which may affect it; if it does not, name it in --preload"
    )
    assert note.split("line ")[1][0] in "23"


def test_what_cannot_change_imports_does_not_end_them(script: Path) -> None:
    text = """
import json
NAME = lambda: compute()
LOGGER = logging.getLogger(__name__)
LOW, HIGH = 1, 2
count: int = 0
count += 1
warnings.filterwarnings("ignore")
warnings.simplefilter("error", UserWarning)
def f(): pass
async def g(): pass
@functools.lru_cache(maxsize=1)
def h(): pass
@property
def i(): pass
@dataclass
class C:
    "Constants."
    x: int = 1
    def f(self): compute()
pass
if len(sys.argv) > 1: pass
if DEBUG:
    import not_there
...
import single
train()
"""
    assert read(script, text) == (
        ("json", "!warnings.filterwarnings('ignore')",
         "!warnings.simplefilter('error', UserWarning)", "single"), "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import (", "train.py cannot be read (invalid syntax"),
        ("x = '\0'", "train.py cannot be read ("),
        ("print(1)", "train.py imports nothing that is installed"),
        ("import neighbour", "train.py imports nothing that is installed"),
        ("import os_\nos.environ['A'] = '1'", "train.py imports nothing that is installed"),
        ("x()\nimport json", "json is imported after line 1 of train.py"),
    ],
)
def test_without_anything_to_import_the_reason_is_told(
    script: Path, text: str, reason: str
) -> None:
    steps, note = read(script, text)
    assert steps == ()
    assert reason in note


def test_a_script_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in steps_of("auto", tmp_path)[1]


@pytest.mark.parametrize(
    "option",
    [
        "none", "auto", "package", "package.inner", "single:x", "package:Lazy", "json",
        "package,single", "folder_too", "shared",
    ],
)  # fmt: skip
def test_modules_that_are_there_are_no_mistake(script: Path, option: str) -> None:
    assert list(mistakes(option, script)) == []
    assert not {"package", "single"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("not_there", "there is no module not_there; install it, or leave it out"),
        ("package.nothing", "there is no module package.nothing;"),
        ("package.nothing.more", "there is no module package.nothing.more;"),
        ("single.inner", "there is no module single.inner;"),
        ("neighbour", "neighbour lies beside the script"),
        ("neighbours", "neighbours lies beside the script"),
        ("a-b", "'a-b' is not a module name"),
        ("A=1", "'A=1' is not a module name"),
        ("a..b", "'a..b' is not a module name"),
        ("no_trace", "there is no module no_trace;"),
    ],
)
def test_each_module_that_is_not_there_is_a_mistake(
    script: Path, monkeypatch: pytest.MonkeyPatch, word: str, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "no_trace", ModuleType("no_trace"))
    option = f"json,{word}"
    found = list(mistakes(option, script))
    assert len(found) == 1
    assert reason in found[0]


def test_what_reads_the_environment_of_a_trial_is_left_to_it(script: Path) -> None:
    assert read(script, "import json\nimport nni\nimport re") == (("json", "re"), "")
    (found,) = mistakes("json,nni", script)
    assert "each trial has to import nni itself" in found
