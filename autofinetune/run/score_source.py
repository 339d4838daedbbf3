"""Finds in the source of a script how it could report its score, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from autofinetune.run.script_source import Module

_REPORTS = ("report_final_result", "report_final")
# Calls that log values by name: the name of the function, and where the names are.
_BY_DICT = frozenset({"log", "log_dict", "log_metrics", "logged_metrics"})
_BY_NAME = frozenset({"log", "log_metric", "add_scalar", "logkv", "record", "scalar"})
_PRINTS = frozenset({"info", "warning", "write", "echo", "log", "out", "rprint"})
_GOOD = ("acc", "accuracy", "f1", "auc", "auroc", "r2", "score", "map", "miou", "iou", "dice",
         "bleu", "rouge", "precision", "recall", "reward", "return", "top1", "acc1", "ap", "psnr",
         "ssim", "mcc", "kappa", "correct", "mrr", "hits", "em")  # fmt: skip
_BAD = ("loss", "error", "err", "rmse", "mse", "mae", "mape", "perplexity", "ppl", "wer", "cer",
        "fid", "nll", "logloss", "bpc", "cost", "regret")  # fmt: skip
_VALIDATION = ("val", "vali", "valid", "validation", "eval", "dev", "holdout")
_HELD_OUT = (*_VALIDATION, "test")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%[-+ #0-9.]*[sdrfeg]")
_LABEL = re.compile(
    r"([A-Za-z][\w@/-]*(?:\.\d+)?(?: [\w@/-]+(?:\.\d+)?)?)\s*[:=]?\s*[(\[]?\s*$", re.ASCII
)
_TRACKING = re.compile(r"wandb|track|log|writer|tensorboard|mlflow|comet", re.IGNORECASE)
_NUMBER = "([-+0-9.e]*[0-9])"


@dataclass(frozen=True)
class Score:
    """How a script could report its score.

    Args:
        reports: whether it calls the tuner, or a tool whose calls count as reports.
        metric: the best name among those that libraries log, for `--metric`; or empty.
        metrics: all of these names.
        pattern: what finds the score in its output, for `--metric_pattern`; or empty.
        label: the text before the printed score.
        is_minimized: whether the metric, or else the printed score, is a loss or an error.
    """

    reports: bool = False
    metric: str = ""
    metrics: Sequence[str] = ()
    pattern: str = ""
    label: str = ""
    is_minimized: bool = False


def score_of(modules: Iterable[Module]) -> Score:
    """Return how the modules of a script report or show a score; the script itself comes first."""
    readable = [module for module in modules if module.tree is not None]
    reported = [what for module in readable for what in _reported(module)]
    for are_scripts in (True, False):
        found = _found([one for one in readable if one.is_script == are_scripts])
        if found.metric or found.pattern:
            break
    if not reported:
        return found
    return replace(found, reports=True, is_minimized=any(map(is_loss, reported)))


def _reported(module: Module) -> Iterator[str]:
    """Yield the expressions that a module reports, or returns to Hydra."""
    if b"AutoFinetuneEval" in module.text:
        yield ""
    for node in module.nodes:
        if isinstance(node, ast.Call):
            if ast.unparse(node.func).rpartition(".")[2] in _REPORTS:
                yield ast.unparse(node.args[0]) if node.args else ""
        elif isinstance(node, ast.FunctionDef) and any(
            "hydra.main" in ast.unparse(one) for one in node.decorator_list
        ):
            returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
            yield from (ast.unparse(value) for value in returned if value is not None)


def _found(modules: Iterable[Module]) -> Score:
    names: dict[str, bool] = {}  # whether it is logged only with tracking switched on
    printed: list[tuple[str, str]] = []
    for module in modules:
        packages = {name.partition(".")[0] for name, _ in module.imports}
        optional = _optional(module.nodes)
        for node in module.nodes:
            if isinstance(node, ast.Call):
                for name in _named(node, packages, module.nodes):
                    names[name] = names.get(name, True) and id(node) in optional
                printed += _printed(node)
    # A metric is the last word of its label: `loss decreased` is none.
    shown = [one for one in printed if _worth(one[0].strip(" :=([").rpartition(" ")[2]) > 0]
    label, before = max(shown, key=lambda one: _worth(_told_of(*one)), default=("", ""))
    pattern = _pattern(label, before) if label else ""
    suits = [name for name, is_optional in names.items()
             if _worth(name) > 0 and not (is_optional and pattern)]  # fmt: skip
    metric = max(suits, key=_worth, default="")
    return Score(False, metric, tuple(names), pattern, label.strip(), is_loss(metric or label))


def _optional(nodes: Sequence[ast.AST]) -> set[int]:
    """Return the nodes that run only if tracking by another tool is switched on."""
    return {
        id(inner) for node in nodes
        if isinstance(node, ast.If) and _TRACKING.search(ast.unparse(node.test))
        for inner in ast.walk(node)
    }  # fmt: skip


def _named(node: ast.Call, packages: set[str], nodes: Sequence[ast.AST]) -> Iterator[str]:
    yield from _logged(node, packages)
    if "transformers" in packages:
        yield from _of_trainer(node, nodes)


def _pattern(label: str, before: str) -> str:
    """Return a regular expression for the value after a label.

    The same label may stand in lines about the training data; so where the line says before the
    label that it is about held-out data, the pattern says so, too.
    """
    held_out = [word for word in re.findall("[A-Za-z]+", before) if word.lower() in _HELD_OUT]
    start = f"{held_out[0]}.*" if held_out and not _names_data(label) else ""
    return f"{start}{_escaped(label)}{_NUMBER}"


def _names_data(label: str) -> bool:
    return bool(set(_words(label)) & set(_HELD_OUT))


def _told_of(label: str, before: str) -> str:
    """Return the words that say what a printed value is: its label's, or those of its line too."""
    return label if _names_data(label) else f"{before} {label}"


def _escaped(text: str) -> str:
    return re.escape(text).replace("\\ ", " ").replace("\\-", "-").replace("\\@", "@")


def is_loss(name: str) -> bool:
    """Return whether lower values of a metric with this name are better."""
    words = _words(name)
    return any(word in _BAD for word in words) and not any(word in _GOOD for word in words)


def _words(name: str) -> list[str]:
    return [word.rstrip("0123456789") or word for word in re.findall(r"[a-z0-9]+", name.lower())
            ] + re.findall(r"[a-z0-9]+", name.lower())  # fmt: skip


def _worth(name: str) -> int:
    """Return how well a name suits a score: 0 if not at all; that of validation data is best."""
    words = _words(name)
    kind = 4 if any(word in _GOOD for word in words) else 0
    kind = kind or (2 if any(word in _BAD for word in words) else 0)
    held_out = 8 if set(words) & set(_VALIDATION) else 6 if "test" in words else 0
    is_best = any(word in ("best", "final") for word in words)
    is_training = "train" in words or "training" in words
    return 0 if not kind else max(1, kind + held_out + is_best - 3 * is_training)


# --- what libraries log -------------------------------------------------------------------------


def _logged(node: ast.Call, packages: set[str]) -> Iterator[str]:
    """Yield the names under which a call logs values."""
    called = ast.unparse(node.func).rpartition(".")[2]
    first = node.args[0] if node.args else None
    if called in _BY_DICT and isinstance(first, ast.Dict):
        yield from _texts(first.keys)
    elif called in _BY_NAME and len(node.args) > 1 and isinstance(node.func, ast.Attribute):
        yield from _texts([first])
    if called == "compile" and packages & {"keras", "tensorflow", "tf_keras"}:
        for word in node.keywords:
            if word.arg == "metrics" and isinstance(word.value, ast.List):
                yield from (f"val_{name}" for name in _texts(word.value.elts))
    if called == "train" and "xgboost" in packages:
        yield from _of_boosting(node)


def _of_trainer(node: ast.Call, nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the metrics that a Trainer of transformers logs when it evaluates."""
    given = {word.arg: word.value for word in node.keywords}
    called = ast.unparse(node.func).rpartition(".")[2]
    if not called.endswith("Trainer") or not {"eval_dataset", "compute_metrics"} & given.keys():
        return
    yield "eval_loss"
    function = ast.unparse(given["compute_metrics"]) if "compute_metrics" in given else ""
    names = set(re.findall(r"\w+", function))
    for inner in nodes:
        if isinstance(inner, ast.FunctionDef) and inner.name in names:
            for returned in ast.walk(inner):
                if isinstance(returned, ast.Return) and isinstance(returned.value, ast.Dict):
                    yield from (f"eval_{name}" for name in _texts(returned.value.keys))
        elif isinstance(inner, ast.Call) and function:
            loader = ast.unparse(inner.func).rpartition(".")
            if loader[2] == "load_metric" or (loader[0], loader[2]) == ("evaluate", "load"):
                yield from (f"eval_{name}" for name in _texts(inner.args[:1]))


def _of_boosting(node: ast.Call) -> Iterator[str]:
    """Yield the metrics of the last evaluation set, if its name and the metric are written out."""
    for word in node.keywords:
        if word.arg == "evals" and isinstance(word.value, ast.List) and word.value.elts:
            last = word.value.elts[-1]
            for name in _texts(last.elts[1:]) if isinstance(last, ast.Tuple) else ():
                yield from (f"{name}-{metric}" for metric in _eval_metrics(node))


def _eval_metrics(node: ast.Call) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Dict):
            for key, value in zip(inner.keys, inner.values, strict=True):
                if list(_texts([key])) == ["eval_metric"]:
                    yield from _texts([value])


def _texts(nodes: Iterable[ast.expr | None]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# --- what is printed ----------------------------------------------------------------------------


def _printed(node: ast.Call) -> Iterator[tuple[str, str]]:
    """Yield the label before each printed value, and the text of the line before the label.

    A label ends where the value begins, as `Accuracy: ` does.
    """
    called = ast.unparse(node.func).rpartition(".")[2]
    if not node.args or (called not in _PRINTS and not called.startswith("print")):
        return
    text = _line(node)
    start = 0
    for found in _PLACEHOLDER.finditer(text):
        label = _LABEL.search(text[start : found.start()].replace("\t", " "))
        if label is not None:
            line = text[: found.start()].rpartition("\n")[2]
            yield text[start : found.start()][label.start() :], line[: -len(label[0])]
        start = found.end()


def _line(node: ast.Call) -> str:
    """Return what a call prints, with a placeholder for each value."""
    first = _shown(node.args[0])
    if "%" in first and isinstance(node.args[0], ast.Constant):  # as logging.info has it
        return first
    return " ".join(_shown(one) for one in node.args)


def _shown(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}"
                       for one in node.values)  # fmt: skip
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format":
        return _shown(node.func.value)  # type: ignore[attr-defined]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _shown(node.left)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _shown(node.left) + _shown(node.right)
    return "{}"
