"""`autofinetune init`: the file, what is printed, and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.cli import main
from autofinetune.space import load_space

TRAIN = """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1e-3, help="learning rate (default: 1e-3)")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--data", required=True)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()
print(f"validation loss: {args.lr}")
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def test_it_writes_a_file_and_prints_how_to_start(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "train.py"]) == 0
    assert load_space("hparam.yaml").init_params == {"lr": 0.001, "batch-size": 64}
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "hparam.yaml: 2 hyperparameters of train.py to search, and 1 more as comments",
        "  lr          0.0001 to 0.01, logarithmic (now 0.001)",
        "  batch-size  16, 32, 64, 128 (now 64)",
        "score: train.py prints 'validation loss:', which --metric_pattern reads; lower is "
        "better, hence --direction=minimize",
        "start with:",
        "  autofinetune train.py --param_file=hparam.yaml --gpu=auto --evaluator=fulltrail "
        "'--metric_pattern=validation loss: ([-+0-9.e]*[0-9])' --direction=minimize data VALUE",
        "  where train.py needs your values for: data",
    ]


def test_a_run_understands_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "train.py"]) == 0
    argv = ["train.py", "--param_file=hparam.yaml", "--gpu=cpu", "--dry_run", "data", "x"]
    assert main(argv) == 0
    assert "--lr=0.001 --batch-size=64" in capsys.readouterr().out


def test_what_is_there_is_not_overwritten(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "hparam.yaml").write_text("mine")
    assert main(["init", "train.py"]) == 2
    assert "hparam.yaml already exists" in capsys.readouterr().err
    assert (place / "hparam.yaml").read_text() == "mine"
    assert main(["init", "train.py", "--output=other.yaml"]) == 0
    assert main(["init", "train.py", "--force"]) == 0
    assert (place / "hparam.yaml").read_text() == (place / "other.yaml").read_text()


def test_a_dangling_link_is_not_overwritten(place: Path) -> None:
    (place / "hparam.yaml").symlink_to(place / "nowhere")
    assert main(["init", "train.py"]) == 2
    assert not (place / "nowhere").exists()


def test_printing_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "train.py", "--print"]) == 0
    shown = capsys.readouterr()
    (place / "new.yaml").write_text(shown.out)
    assert load_space("new.yaml").names == ("lr", "batch-size")
    assert "start with:" in shown.err
    assert not (place / "hparam.yaml").exists()


def test_a_script_whose_help_fails_is_told_of(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "train.py").write_text(f"import no_such_package\n{TRAIN}")
    assert main(["init", "train.py", "--print"]) == 0
    assert "No module named 'no_such_package'; a run needs it, too" in capsys.readouterr().err
    assert main(["init", "train.py", "--print", "--skip_preflight"]) == 0
    assert "no_such_package" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import wandb\nwandb.log({'val_acc': 1})", "--metric=val_acc"),
        ("import wandb\nwandb.log({name: 1})", "--metric=NAME"),
        ("import autofinetune\nautofinetune.report_final_result(x)", "score: train.py reports it"),
        ("x = 1", "score: train.py reports none. Add these two lines where it is known:"),
    ],
)
def test_how_the_score_is_reported(
    place: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    parser = "\n".join(TRAIN.splitlines()[:-1])
    (place / "train.py").write_text(f"{parser}\n{text}")
    assert main(["init", "train.py", "--skip_preflight"]) == 0
    assert words in capsys.readouterr().out


def test_a_subcommand_comes_last(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "train.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\ns = p.add_subparsers()\n"
        "t = s.add_parser('train')\nt.add_argument('--lr', type=float, default=.1)\n"
        "t.add_argument('--data', required=True)\np.parse_args()\n"
    )
    assert main(["init", "train.py"]) == 0
    assert capsys.readouterr().out.splitlines()[-2].endswith(" -- train --data=VALUE")
    argv = ["train.py", "--param_file=hparam.yaml", "--gpu=cpu", "--dry_run", "--", "train"]
    assert main(argv) == 0
    assert "train.py train --lr=0.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:", "train.py:1:7 not valid Python"),
        ("print 'x'", "train.py:1:1 not valid Python: Missing parentheses"),
        ("lr = 0.1", "train.py has no options that could be found"),
        ("import argparse\np = argparse.ArgumentParser()\np.add_argument('--seed', type=int)\n"
         "p.parse_args()", "none of the 1 option of train.py can be searched:\n  seed: a seed"),
        ("import argparse\nraise ValueError('no \x1b')\nargparse.ArgumentParser()",
         "its --help failed: it crashed (exit code 1): ValueError: no \\x1b"),
    ],
)  # fmt: skip
def test_scripts_without_hyperparameters(
    place: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    (place / "train.py").write_text(text)
    assert main(["init", "train.py"]) == 2
    assert words in capsys.readouterr().err
    assert not (place / "hparam.yaml").exists()


def test_a_script_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "nothing.py"]) == 2
    assert "cannot read nothing.py: No such file" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "train.py", f"--output={place}/no/such/hparam.yaml"]) == 4
    assert "No such file or directory" in capsys.readouterr().err
    assert [path.name for path in place.iterdir()] == ["train.py"]


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ('"--work-dir", default="out"', "work-dir '${saved_params_dir}'"),
        ('"--save_path", default="runs/model.pt"', "save_path '${saved_params_dir}/model.pt'"),
        ('"--output_dir", required=True', "output_dir '${saved_params_dir}'"),
        ('"--saved_params_dir", default="out"', ""),
        ('"--checkpoint", action="store_true"', ""),
        ('"--save"', ""),
    ],
)
def test_trials_save_their_models_apart(
    place: Path, capsys: pytest.CaptureFixture[str], option: str, given: str
) -> None:
    added = f'parser.add_argument("--seed", type=int, default=1)\nparser.add_argument({option})'
    text = TRAIN.replace('parser.add_argument("--seed", type=int, default=1)', added)
    (place / "train.py").write_text(text)
    assert main(["init", "train.py"]) == 0
    words = next(
        line for line in capsys.readouterr().out.splitlines() if "autofinetune tr" in line
    )
    assert words.partition("data VALUE")[2].strip() == given
