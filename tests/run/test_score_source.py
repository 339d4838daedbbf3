"""How a script reports or shows its score, found in its source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autofinetune.run.score_source import Score, is_loss, score_of
from autofinetune.run.script_source import modules_of


def score(folder: Path, text: str) -> Score:
    (folder / "train.py").write_text(text)
    return score_of(modules_of(["python3", "train.py"], str(folder), {}))


@pytest.mark.parametrize(
    ("text", "is_minimized"),
    [
        ("import autofinetune as hub\nhub.report_final_result(acc)", False),
        ("from nni import report_final_result\nreport_final_result(val_loss)", True),
        ("print('AutoFinetuneEval' + '\\t' + str(acc))", False),
        ("import hydra\n@hydra.main()\ndef main(cfg):\n    return rmse", True),
    ],
)
def test_scripts_that_report(tmp_path: Path, text: str, is_minimized: bool) -> None:
    found = score(tmp_path, text)
    assert (found.reports, found.is_minimized) == (True, is_minimized)


def test_a_hydra_function_that_returns_nothing_does_not(tmp_path: Path) -> None:
    assert not score(tmp_path, "import hydra\n@hydra.main()\ndef main(cfg):\n    return").reports


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("wandb.log({'train_acc': a, 'val_acc': b, 'lr': c})", "val_acc"),
        ("self.log('train/loss', a)\nself.log('val/loss', b)", "val/loss"),
        ("self.log_dict({'val_f1': a})", "val_f1"),
        ("writer.add_scalar('charts/episodic_return', a, 1)", "charts/episodic_return"),
        ("mlflow.log_metric('rmse', a)\nmlflow.log_metric('r2', b)", "r2"),
        ("wandb.log({'test_acc': a, 'val_loss': b})", "test_acc"),
        ("import keras\nmodel.compile('adam', metrics=['accuracy'])", "val_accuracy"),
        ("re.compile('x', metrics=['accuracy'])", ""),
        ("import xgboost\nxgboost.train({'eval_metric': 'auc'}, d, evals=[(d, 'a'), (e, 'val')])",
         "val-auc"),
        ("import transformers\ndef metrics(p): return {'accuracy': 1}\n"
         "transformers.Trainer(eval_dataset=d, compute_metrics=metrics)", "eval_accuracy"),
        ("import transformers, evaluate\nm = evaluate.load('f1')\n"
         "transformers.Trainer(eval_dataset=d, compute_metrics=f)", "eval_f1"),
        ("import transformers\ntransformers.Trainer(eval_dataset=d)", "eval_loss"),
        ("import transformers\ntransformers.Trainer(train_dataset=d)", ""),
        ("wandb.log({'lr': a, name: b})", ""),
        ("if args.wandb:\n    wandb.log({'val_acc': b})", "val_acc"),
        ("if args.wandb:\n    wandb.log({'val_acc': b})\nprint('val acc:', b)", ""),
    ],
)  # fmt: skip
def test_metrics_that_libraries_log(tmp_path: Path, text: str, metric: str) -> None:
    assert score(tmp_path, text).metric == metric


@pytest.mark.parametrize(
    ("text", "line", "value"),
    [
        ("print('acc: {:.2f}'.format(a))", "acc: 0.93", "0.93"),
        ("print('Accuracy:', a)", "Accuracy: 0.5", "0.5"),
        ("print(f'loss {a} val loss {b:.4f}, x {c}')", "loss 1 val loss 2.5e-05, x 1", "2.5e-05"),
        ("print('acc = %.3f' % a)", "acc = 0.125", "0.125"),
        ("logging.info('epoch %d f1=%s', e, f)", "epoch 1 f1=0.25", "0.25"),
        ("print('Train acc: {}'.format(a))\nprint('Test acc: {}'.format(b))", "Test acc: 7", "7"),
        ("print('Test: loss: {}, Accuracy: {}/{} ({:.0f}%)\\n'.format(a, b, c, d))",
         "Test: loss: 0.1, Accuracy: 98/100 (98%)", "98"),
        ("print0('best ' + 'score: ' + str(a))", "best score: -3.5.", "-3.5"),
        ("print('Acc@1: {}. see (x)'.format(a))", "Acc@1: 77.1. see (x)", "77.1"),
        ("print('E: {:04d}'.format(e), 'acc_train: {:.4f}'.format(a), 'acc_val: {:.4f}'.format(b))"
         "\nprint('Test', 'accuracy= %.4f' % c)", "E: 0001 acc_train: 0.9 acc_val: 0.8", "0.8"),
    ],
)  # fmt: skip
def test_scores_that_are_printed(tmp_path: Path, text: str, line: str, value: str) -> None:
    found = score(tmp_path, text)
    match = re.search(found.pattern, line)
    assert match is not None
    assert match.groups() == (value,)


def test_the_pattern_tells_held_out_data_from_training_data(tmp_path: Path) -> None:
    text = "print(f'train | acc {a}')\nprint(f'Val | acc {b}')"
    pattern = score(tmp_path, text).pattern
    assert re.search(pattern, "Val | acc 0.5")
    assert not re.search(pattern, "train | acc 0.5")


@pytest.mark.parametrize(
    "text",
    ["", "print('epoch', e)", "print('Loss is {}, stopping'.format(a))", "print()", "print(a)",
     "print('accuracy')", "write(b'acc: ', a)", "def f(:"],
)  # fmt: skip
def test_scripts_without_a_score(tmp_path: Path, text: str) -> None:
    found = score(tmp_path, text)
    assert (found.reports, found.metric, found.pattern) == (False, "", "")


def test_the_script_comes_before_its_modules(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("print('validation accuracy: ', a)")
    assert score(tmp_path, "import other\nprint('loss: ', b)").label == "loss:"
    assert score(tmp_path, "import other").label == "validation accuracy:"


@pytest.mark.parametrize("name", ["val_loss", "RMSE", "test error", "eval/perplexity", "loss2"])
def test_losses(name: str) -> None:
    assert is_loss(name)
    assert not is_loss("accuracy")
    assert not is_loss("f1_loss_score")
