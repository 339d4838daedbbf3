"""PaddleHub 1.2 to 1.8: the control flow of its demos, with a stub of the package."""

from __future__ import annotations

import pytest

from .helpers import LR, Place, scores

# `report_final_result` does as the original does: it appends to a file below the home.
STUB = """
import os

class Module:
    def __init__(self, name):
        self.name = name

    def context(self, max_seq_len):
        return {}, {}, self.name

class dataset:
    class ChnSentiCorp:
        num_labels = 2

def finetune(checkpoint, score):
    best = os.path.join(checkpoint, "best_model")
    os.makedirs(best)
    with open(os.path.join(best, "weights"), "w") as file:
        file.write(str(score))
    return best

def report_final_result(result):
    trial_id = os.environ.get("PaddleHub_AutoDL_Trial_ID")
    home = os.environ.get("HUB_HOME") or os.path.expanduser("~/.paddlehub")
    os.makedirs(os.path.join(home, "tmp"), exist_ok=True)
    with open(os.path.join(home, "tmp", trial_id), "a") as file:
        file.write(trial_id + "\\t" + str(float(result)) + "\\n")
"""
DEMO = """
import argparse
import ast
import os
import shutil
{imports}

parser = argparse.ArgumentParser(__doc__)
parser.add_argument("--num_epoch", type=int, default=1)
parser.add_argument("--use_gpu", type=ast.literal_eval, default=False)
parser.add_argument("--checkpoint_dir", type=str, default=None)
parser.add_argument("--lr", type=float, default=5e-5)
parser.add_argument("--max_seq_len", type=int, default=512)
parser.add_argument("--saved_params_dir", type=str, default="")
parser.add_argument("--model_path", type=str, default="")
args = parser.parse_args()

def is_path_valid(path):
    if path == "":
        return False
    path = os.path.abspath(path)
    dirname = os.path.dirname(path)
    if not os.path.exists(dirname):
        os.mkdir(dirname)
    return True

if __name__ == "__main__":
    module = hub.Module(name="ernie")
    inputs, outputs, program = module.context(max_seq_len=args.max_seq_len)
    dataset = hub.dataset.ChnSentiCorp()
    before = 0.0
    if is_path_valid(args.model_path):
        before = float(open(os.path.join(args.model_path, "weights")).read()) / 1000
    score = args.lr + args.max_seq_len + before
    checkpoint = os.path.join(os.environ["LEDGER"] + "_" + str(os.getpid()))
    best_model_dir = hub.finetune(checkpoint, score)
    if is_path_valid(args.saved_params_dir) and os.path.exists(best_model_dir):
        {save}
        shutil.rmtree(checkpoint)
    {report}
"""
SAVES = {
    "copytree": "shutil.copytree(best_model_dir, args.saved_params_dir)",
    "move": "shutil.move(best_model_dir, args.saved_params_dir)",
    "makedirs": "os.makedirs(args.saved_params_dir); "
    "open(args.saved_params_dir + '/weights', 'w').write(str(score))",
    "open": "open(os.path.join(args.saved_params_dir, 'weights'), 'w').write(str(score))",
}
REPORT = "hub.report_final_result(score)"
PRINTED = 'print("AutoFinetuneEval" + "\\t" + str(float(score)))'


def stranger(what: str) -> pytest.MarkDecorator:
    return pytest.mark.stranger("PaddleHub 1.x", what)


@pytest.fixture
def hub(place: Place) -> Place:
    package = place.root.parent / "site/paddlehub"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STUB)
    place.variables = {"PYTHONPATH": f"{package.parent}:{place.env['PYTHONPATH']}"}
    place.write(hparam_yaml=LR)
    return place


def demo(place: Place, save: str, report: str, imports: str) -> None:
    place.write(train_py=DEMO.format(save=SAVES[save], report=report, imports=imports))


def check(place: Place, *words: str) -> None:
    words = (*words, "--popsize=2", "max_seq_len", "128")
    trials = place.tune(*words)
    assert len(trials) in (2, 4)
    for trial, score in zip(trials, scores(trials), strict=True):
        continued = 0.128 if trial["parent"] else 0.0
        assert score == pytest.approx(128 + float(trial["lr"]) + continued, abs=2e-3)
    best = (place.root / "result/best_model/weights").read_text()
    assert float(best) == max(scores(trials))
    assert not (place.home / ".paddlehub").exists()
    assert place.names() <= {"train.py", "hparam.yaml", "result"}


@stranger("a demo by `hub.report_final_result` of the package; both evaluators and strategies")
@pytest.mark.parametrize("evaluator", ["fulltrail", "populationbased"])
@pytest.mark.parametrize("strategy", ["hazero", "pshe2"])
def test_a_demo(hub: Place, evaluator: str, strategy: str) -> None:
    demo(hub, "copytree", REPORT, "import paddlehub as hub")
    check(hub, f"--evaluator={evaluator}", f"--tuning_strategy={strategy}", "--round=2")


@stranger("`copytree`, `move`, `makedirs` or `open` in `saved_params_dir`")
@pytest.mark.parametrize("save", ["move", "makedirs", "open"])
def test_how_a_model_is_saved(hub: Place, save: str) -> None:
    demo(hub, save, REPORT, "import paddlehub as hub")
    check(hub, "--evaluator=fulltrail")


@stranger("1.2: `AutoFinetuneEval` is printed")
def test_a_printed_score(hub: Place) -> None:
    demo(hub, "copytree", PRINTED, "import paddlehub as hub")
    check(hub, "--evaluator=fulltrail")


@stranger("`import autofinetune as hub`, with `hub.Module` of the package")
def test_our_name_in_its_place(hub: Place) -> None:
    demo(hub, "copytree", REPORT, "import autofinetune as hub")
    check(hub, "--evaluator=fulltrail")


@stranger("imported once by `--preload=paddlehub`")
def test_preloaded(hub: Place) -> None:
    demo(hub, "copytree", REPORT, "import paddlehub as hub")
    check(hub, "--evaluator=fulltrail", "--preload=paddlehub")
