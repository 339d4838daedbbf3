"""The manifest of a store: what is read of one that anybody may have written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autofinetune.store.contents import (
    PART,
    Contents,
    Stored,
    decode,
    encode,
    is_name,
    manifest_name,
    newest,
)

DIGEST = "ab" * 32
CONTENTS = Contents(
    "run", 1.5, {"run.db": Stored(PART + 1, (DIGEST, DIGEST)), "best_model/a/w": Stored(0, ())}
)


class Shelf:
    """A store in memory."""

    def __init__(self, **files: bytes) -> None:
        self.files = files

    def names(self, folder: str) -> dict[str, int]:
        return {name: len(data) for name, data in self.files.items()}

    def get(self, name: str, most: int) -> bytes:
        return self.files[name]


def test_it_reads_what_it_writes() -> None:
    assert decode(encode(CONTENTS)) == CONTENTS
    assert [CONTENTS.files["run.db"].size_of(i) for i in (0, 1)] == [PART, 1]
    assert CONTENTS.size == PART + 1


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "..", "../run.db", "best_model/../run.db", "best_model//w", "best_model",
     "best_model/", "best_model/.", "run.lock", "control/x.request.json", "trials/0/spec.json",
     "best_model/a\0", "run.db/x", "C:\\run.db", "best_model/" + "x" * 1000],
)  # fmt: skip
def test_names_that_a_run_does_not_have_are_refused(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ValueError, match="is not the name of a file of a run"):
        decode(altered(name=name))


def altered(name: str = "run.db", **file: Any) -> bytes:
    known = json.loads(encode(CONTENTS))
    known["files"][name] = {"size": 3, "parts": [DIGEST], **file}
    return json.dumps(known).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        encode(CONTENTS)[:-9],
        encode(CONTENTS).replace(b"store 1", b"store 2"),
        encode(CONTENTS).replace(b'"run": "run"', b'"run": 1'),
        encode(CONTENTS).replace(b"1.5", b"true"),
        altered(size=-1),
        altered(size=True),
        altered(size=1 << 50),
        altered(size=0),
        altered(size=PART + 1),
        altered(parts=["../../x"]),
        altered(parts=[1]),
        altered(parts="ab"),
        altered(name="best_model/a"),
    ],
)
def test_a_manifest_that_is_not_sound_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


def test_the_newest_sound_manifest_counts() -> None:
    one, two, cut = (manifest_name(number) for number in (1, 2, 3))
    assert newest(Shelf()) == (0, None)
    other = Contents("other", 2.0, {})
    shelf = Shelf(**{one: encode(other), two: encode(CONTENTS), cut: encode(CONTENTS)[:40]})
    assert newest(shelf) == (3, CONTENTS)
    assert newest(Shelf(**{cut: b""})) == (3, None)
