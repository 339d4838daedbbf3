"""Shell completion."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from autofinetune.cli import main
from autofinetune.cli.commands import COMMANDS
from autofinetune.cli.completion import script_for
from autofinetune.config.options import OPTIONS

ASK = """
COMP_WORDS=(autofinetune %s)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_autofinetune 2>/dev/null
printf '%%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words: str) -> set[str]:
    """Return what bash offers for the last of these words."""
    code = script_for("bash") + ASK % " ".join(words)
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_options_and_commands() -> None:
    assert completed("--pop") == {"--popsize="}
    assert completed("train.py", "--dry") == {"--dry_run"}
    assert completed("--") == {
        "--help", *(f"--{one.name}{'=' if one.metavar else ''}" for one in OPTIONS.values())
    }  # fmt: skip
    assert {"resume", "run", "report-final", "report-intermediate"} <= completed("r")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_all_options_and_commands(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in (*OPTIONS, *COMMANDS))
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "choose from" in capsys.readouterr().err
