"""Trees of files: what is sent to a node, and what comes back from there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.ray.ignored import IGNORE, Rule, is_ignored, rules_in
from autofinetune.store.copying import remove_tree
from autofinetune.store.directory import Place
from autofinetune.version import PACKAGE_PARENT

Tree = Mapping[str, Sequence[object]]
Content = Path | bytes  # or where it is
Files = dict[str, Content]  # by hash
MOST_CODE = 512 << 20
_MOST_FILES = 20_000
_ALWAYS = (".git", ".hg", "__pycache__", ".venv", "venv", "node_modules", ".mypy_cache")
_RUN = "run.db"  # a directory with this file is the output of a run
_DIGEST = re.compile(r"[0-9a-f]{64}")
PIECE = 16 << 20
_KEPT = 4 << 20  # smaller files of code are kept as they were read: others may write to them
_AROUND = r":,;=\s\"'"  # what may stand before and after a path in a word


class Damaged(Exception):
    """What a node says about its files, or what arrived, is not right; it may be asked again."""


def code_of(directory: Path, most: int = MOST_CODE) -> tuple[Tree, Files, Sequence[str]]:
    """Return what is sent of the directory of a script, and what is left out.

    Left out is what .gitignore and .autofinetuneignore name, and, without being told, output
    directories of runs and the like; raise EnvironmentProblem if the rest is too large.
    """
    tree: dict[str, Sequence[object]] = {}
    files: Files = {}
    sizes: dict[str, int] = {}
    rules: list[Rule] = []
    left_out: list[str] = []
    for folder, inner, names in os.walk(directory):
        base = os.path.relpath(folder, directory)
        base = "" if base == "." else f"{base}/"
        if base and _RUN in names:
            inner.clear()
            continue
        rules += rules_in(Path(folder), base)
        out = {name for name in names if is_ignored(rules, base + name, False)}
        folders = [name for name in inner if name not in _ALWAYS]
        out |= {name for name in folders if is_ignored(rules, base + name, True)}
        left_out += [base + name for name in sorted(out)]
        inner[:] = [name for name in folders if name not in out]
        for name in names:
            if name in out:
                continue
            path = Path(folder, name)
            size = _add(tree, files, base + name, path, is_kept=True)
            top = (base + name).split("/")[0]
            sizes[top] = sizes.get(top, 0) + size
            if sum(sizes.values()) > most or len(tree) > _MOST_FILES:
                largest = max(sizes, key=lambda one: sizes[one])
                raise EnvironmentProblem(
                    f"{directory} is sent to the nodes, but is too large ({most >> 20} MiB and "
                    f"{_MOST_FILES} files are allowed; the largest part is {largest!r})",
                    f"name what trials do not need in {directory / IGNORE[1]}, in the manner of "
                    "a .gitignore, or set --working_dir to a directory with the script alone",
                )
    return tree, files, left_out


def package() -> tuple[Tree, Files]:
    """Return this package, without what only the tuner needs to show runs."""
    tree: dict[str, Sequence[object]] = {}
    files: Files = {}
    root = Path(PACKAGE_PARENT)
    for path in sorted((root / "autofinetune").rglob("*.py")):
        _add(tree, files, str(path.relative_to(root)), path, is_kept=True)
    return tree, files


def model_of(directory: Path) -> tuple[Tree, Files]:
    """Return a whole directory; links that stay inside it are kept."""
    tree: dict[str, Sequence[object]] = {}
    files: Files = {}
    for folder, inner, names in os.walk(directory):
        for name in (*names, *inner):
            path = Path(folder, name)
            way = str(path.relative_to(directory))
            if path.is_symlink():
                goal = str(path.readlink())
                if _stays_inside(way, goal):
                    tree[way] = (goal,)
            elif name in names:
                _add(tree, files, way, path)
    return tree, files


def _add(
    tree: dict[str, Sequence[object]],
    files: Files,
    way: str,
    path: Path,
    *,
    is_kept: bool = False,
) -> int:
    """Add a regular file to a tree and return its size; leave out anything else."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return 0
        content: Content = path
        size = found.st_size
        if is_kept and size <= _KEPT:
            content = path.read_bytes()
            digest, size = hashlib.sha256(content).hexdigest(), len(content)
        else:
            digest = digest_of(path)
    except OSError:  # removed meanwhile, or not readable
        return 0
    tree[way] = (digest, size, found.st_mode & 0o777)
    files[digest] = content
    return size


def digest_of(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def id_of(tree: Tree) -> str:
    """Return a short hash of a tree."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]


def pieces(
    files: Mapping[str, Content], wanted: Sequence[str]
) -> Iterator[tuple[list[tuple[str, int, int, int]], bytes]]:
    """Yield the contents in pieces of at most 16 MiB, with what is in each piece.

    An entry is (sha256, offset, bytes, size of the whole).
    """
    entries: list[tuple[str, int, int, int]] = []
    data = bytearray()
    for digest in wanted:
        content = files[digest]
        with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            at = 0
            while True:
                part = file.read(PIECE - len(data))
                entries.append((digest, at, len(part), size))
                data += part
                at += len(part)
                if len(data) >= PIECE:
                    yield entries, bytes(data)
                    entries, data = [], bytearray()
                if at >= size or not part:
                    break
    if entries:
        yield entries, bytes(data)


def receive(
    tree: object,
    place: Place,
    name: str,
    read: Callable[[str, int, int], bytes],
) -> None:
    """Write a tree that a node has, at `name` in `place`, whole or not at all.

    Args:
        read: returns bytes of a file of the tree: its path, an offset, how many.

    Raises:
        Damaged: a path leads out of the tree, or a content does not have its checksum.
    """
    wanted = checked(tree)
    partial = f".{name}.partial"
    with place.opened(create=True) as here:
        remove_tree(here / partial)
        (here / partial).mkdir()
        try:
            _receive_all(here / partial, wanted, read)
            remove_tree(here / name)
            (here / partial).rename(here / name)
        finally:
            remove_tree(here / partial)


def _receive_all(
    root: Path,
    wanted: Mapping[str, Sequence[object]],
    read: Callable[[str, int, int], bytes],
) -> None:
    for way, entry in wanted.items():
        path = root / way
        path.parent.mkdir(parents=True, exist_ok=True)
        if len(entry) > 1:
            _receive_file(path, entry, way, read)
    for way, entry in wanted.items():
        if len(entry) == 1:  # last, so that nothing is written through a link
            (root / way).symlink_to(str(entry[0]))


def _receive_file(
    path: Path, entry: Sequence[object], way: str, read: Callable[[str, int, int], bytes]
) -> None:
    digest, size, mode = str(entry[0]), int(str(entry[1])), int(str(entry[2]))
    found = hashlib.sha256()
    with path.open("xb") as file:
        at = 0
        while at < size:
            data = read(way, at, min(PIECE, size - at))
            if not data:
                break
            found.update(data)
            file.write(data)
            at += len(data)
        file.flush()
        os.fsync(file.fileno())
    if found.hexdigest() != digest:
        raise Damaged(f"{way} does not have its checksum")
    path.chmod(mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR)


def checked(tree: object) -> Mapping[str, Sequence[object]]:
    """Return a tree that a node has sent, or raise Damaged."""
    if not isinstance(tree, dict):
        raise Damaged("no tree")
    for way, entry in tree.items():
        parts = str(way).split("/")
        is_file = (
            isinstance(entry, list)
            and len(entry) == 3
            and isinstance(entry[0], str)
            and _DIGEST.fullmatch(entry[0]) is not None
            and all(isinstance(one, int) and 0 <= one < 2**60 for one in entry[1:])
        )
        is_link = (
            isinstance(entry, list)
            and len(entry) == 1
            and isinstance(entry[0], str)
            and _stays_inside(str(way), entry[0])
        )
        if {"", ".", ".."} & {*parts} or "\0" in way or not (is_file or is_link):
            raise Damaged(f"a strange file: {way!r:.200}")
    links = {way for way, entry in tree.items() if len(entry) == 1}
    for way in tree:
        with contextlib.suppress(StopIteration):
            inside = next(link for link in links if way.startswith(f"{link}/"))
            raise Damaged(f"{way!r:.200} is behind the link {inside!r:.200}")
    return tree


def _stays_inside(way: str, goal: str) -> bool:
    there = os.path.normpath(Path(way).parent / goal)
    return bool(goal) and not goal.startswith("/") and there.split("/")[0] != ".."


def replaced(text: str, path: str, name: str) -> str:
    """Return a text with a name in the place of a path, where that is whole or goes on below."""
    return re.sub(rf"(?<![^{_AROUND}]){re.escape(path)}(?![^/{_AROUND}])", lambda _: name, text)
