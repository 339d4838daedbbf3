"""What is sent to a node, and what is taken from one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.ray import trees
from autofinetune.store.directory import Place


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def sent(root: Path) -> list[str]:
    return sorted(trees.code_of(root)[0])


def test_outputs_of_runs_and_ignored_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, {
        "train.py": "", "data/a.csv": "", "data/b.bin": "", "deep/er/x.log": "", "deep/y.py": "",
        "result/run.db": "", "result/round0/model-0/w": "", ".git/config": "", "build/z": "",
        "deep/build": "", "deep/.gitignore": "er/\n", "keep.bin": "", "__pycache__/a.pyc": "",
        ".gitignore": "# ours\n*.bin\n/build\n", ".autofinetuneignore": "!keep.bin\n",
    })  # fmt: skip
    assert sent(tmp_path) == [
        ".autofinetuneignore", ".gitignore", "data/a.csv", "deep/.gitignore", "deep/build",
        "deep/y.py", "keep.bin", "train.py",
    ]  # fmt: skip
    assert sorted(trees.code_of(tmp_path)[2]) == ["build", "data/b.bin", "deep/er"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("data/*.csv", ["data/in/b.csv"]),
        ("data/**", []),
        ("**/b.csv", ["data/a.csv"]),
        ("in", ["data/a.csv"]),
        ("?.csv", []),
        ("[b].csv", ["data/a.csv"]),
        ("a.csv/", ["data/a.csv", "data/in/b.csv"]),
    ],
)
def test_patterns_are_those_of_gitignore(tmp_path: Path, pattern: str, left: list[str]) -> None:
    write(tmp_path, {"data/a.csv": "", "data/in/b.csv": "", ".gitignore": pattern})
    assert [name for name in sent(tmp_path) if name != ".gitignore"] == left


def test_too_much_is_told_with_its_largest_part(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "1", "images/a": "x" * 100})
    with pytest.raises(EnvironmentProblem, match="the largest part is 'images'") as caught:
        trees.code_of(tmp_path, most=50)
    assert ".autofinetuneignore" in str(caught.value.tip)


def test_code_is_sent_as_it_was_when_it_was_read(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "first", "empty": ""})
    tree, files, _ = trees.code_of(tmp_path)
    write(tmp_path, {"train.py": "second", "empty": "no longer"})
    ((entries, data),) = trees.pieces(files, [str(entry[0]) for entry in tree.values()])
    assert data == b"first"
    assert sorted(size for _, _, _, size in entries) == [0, 5]


def test_large_files_are_sent_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "PIECE", 4)
    write(tmp_path, {"a": "0123456789", "b": "xy"})
    tree, files = trees.model_of(tmp_path)
    found = list(trees.pieces(files, [str(tree[name][0]) for name in "ab"]))
    assert [data for _, data in found] == [b"0123", b"4567", b"89xy"]
    assert [(at, count, size) for entries, _ in found for _, at, count, size in entries] == [
        (0, 4, 10), (4, 4, 10), (8, 2, 10), (0, 2, 2),
    ]  # fmt: skip


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def received(place: Path, tree: object, contents: dict[str, str]) -> None:
    def read(way: str, at: int, count: int) -> bytes:
        return contents.get(way, "").encode()[at : at + count]

    trees.receive(tree, Place(place), "model", read)


def entry(text: str) -> list[object]:
    return [digest(text), len(text), 0o755]


def test_a_model_arrives_whole_and_replaces_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "model", {"old": ""})
    tree = {"in/a": entry("abc"), "empty": entry(""), "latest": ["in/a"]}
    received(tmp_path, tree, {"in/a": "abc"})
    model = tmp_path / "model"
    assert sorted(p.name for p in model.rglob("*")) == ["a", "empty", "in", "latest"]
    assert (model / "latest").read_text() == "abc"
    assert (model / "in/a").stat().st_mode & 0o777 == 0o755
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("arrived", ["abd", "ab", "", "abcd"])
def test_a_model_that_is_damaged_does_not_count(tmp_path: Path, arrived: str) -> None:
    write(tmp_path / "model", {"old": ""})
    tree = {"a": [digest("abc"), max(3, len(arrived)), 0o644]}
    with pytest.raises(trees.Damaged, match="a does not have its checksum"):
        received(tmp_path, tree, {"a": arrived})
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


BAD: Sequence[object] = [
    None,
    {"../a": entry("x")},
    {"/a": entry("x")},
    {"a/./b": entry("x")},
    {"a\0": entry("x")},
    {"a": ["../../etc"]},
    {"a": ["/etc"]},
    {"a": [""]},
    {"a": ["../../x", 1, 2]},
    {"a": [digest("x"), -1, 0o644]},
    {"a": [digest("x"), "1", 0o644]},
    {"a": "x"},
    {"a": ["b"], "a/c": entry("x")},
]


@pytest.mark.parametrize("tree", BAD)
def test_nothing_is_written_elsewhere(tmp_path: Path, tree: object) -> None:
    with pytest.raises(trees.Damaged):
        received(tmp_path, tree, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/out", "@"),
        ("/out/a", "@/a"),
        ("--to=/out/a", "--to=@/a"),
        ("/out:/out/b", "@:@/b"),
        ("/outer/a", "/outer/a"),
        ("/my/out", "/my/out"),
        ('{"path": "/out/a"}', '{"path": "@/a"}'),
    ],
)
def test_only_whole_paths_are_translated(text: str, expected: str) -> None:
    assert trees.replaced(text, "/out", "@") == expected
