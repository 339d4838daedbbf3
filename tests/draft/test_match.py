"""What names mean."""

from __future__ import annotations

import pytest

from autofinetune.draft.match import importance, is_later, parts_of_name, rule_for, why_left_out
from autofinetune.draft.rules import LATER, LEFT_OUT, RULES


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("lr", "learning_rate"), ("learning-rate", "lr"), ("learningRate", "lr"), ("lr_d", "lr"),
        ("optimizer.lr", "lr"), ("policy-lr", "lr"), ("lr0", "lr"), ("wd", "weight_decay"),
        ("per_device_train_batch_size", "batch_size"), ("p_drop", "dropout"), ("drop2", "dropout"),
        ("attn-drop", "dropout"), ("lin1_size", "hidden_size"), ("n_embd", "hidden_size"),
        ("lr_decay", "decay_rate"), ("C", "c"), ("adam-beta1", "beta1"), ("opt_eps", "eps"),
        ("max_grad_norm", "clip"), ("model.scheduler.factor", "lr_factor"), ("l2", "weight_decay"),
        ("num_train_epochs", "epochs"), ("min_lr", "lr_min"), ("mixup", "cutmix"),
    ],
)  # fmt: skip
def test_names_of_one_meaning(name: str, like: str) -> None:
    rule = rule_for([name])
    assert rule is not None
    assert rule is rule_for([like])
    assert not why_left_out(name)


@pytest.mark.parametrize("name", ["lr_noise_std", "lr-cycle-mul", "foo", "decay_me", "c_of", "x1"])
def test_names_that_no_rule_knows(name: str) -> None:
    assert rule_for([name]) is None
    assert not why_left_out(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("seed", "seed"), ("test-batch-size", "evaluation"), ("log_interval", "logging"),
        ("data_dir", "files"), ("num_workers", "runs"), ("num_classes", "task"), ("gpu", "runs"),
        ("run_name", "name"), ("resume", "files"), ("save_every", "saving"), ("fp16", "runs"),
        ("callbacks.early_stopping.patience", "evaluation"), ("start_epoch", "files"),
        ("eval_batch_size", "evaluation"), ("wandb_project", "logging"), ("port", "runs"),
    ],
)  # fmt: skip
def test_names_that_are_no_hyperparameters(name: str, why: str) -> None:
    assert why in why_left_out(name)


def test_the_most_important_of_several_names_counts() -> None:
    assert rule_for(["foo", "eps", "lr"]) is rule_for(["lr"])


def test_the_order_of_importance_has_the_rules_for_later_at_its_end() -> None:
    places = [importance(rule) for rule in (*RULES, *LATER)]
    assert places == sorted(places)
    assert [is_later(rule) for rule in (RULES[-1], LATER[0])] == [False, True]


def test_no_word_has_two_meanings() -> None:
    words = [w for rule in (*RULES, *LATER) for w in rule.words.split()]
    words += [w for group, _ in LEFT_OUT for w in group.split()]
    assert sorted(words) == sorted(set(words))


def test_words_in_a_name() -> None:
    assert parts_of_name("optimizer.Adam-beta_1") == ["optimizer", "adam", "beta"]
    assert parts_of_name("hiddenSize2") == ["hidden", "size2"]
