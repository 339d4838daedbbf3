"""The sink that keeps a copy of a run in a store: a directory here, whole or failing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.config import Config
from autofinetune.core.events import RunCreated, RunEnded, RunResumed
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.run.pull import pull
from autofinetune.sinks import SinkGuard
from autofinetune.sinks.store import Store
from autofinetune.store.contents import PART, PARTS, newest
from autofinetune.store.copying import remove_tree
from autofinetune.store.credentials import Secrets
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from autofinetune.store.remote import Remote, StoreFailed
from autofinetune.store.standing import read_standing
from tests.helpers import config_of
from tests.runs import Written, mixed

Make = Callable[..., Store]


class Shelf(Remote):
    """A directory that counts what is put there, and fails when it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(f"file://{root}", Secrets())
        self.puts: list[str] = []
        self.fails = ""
        self.at_put: Callable[[], None] = lambda: None

    def put(self, name: str, data: bytes) -> None:
        self.at_put()
        if self.fails:
            raise StoreFailed(self.fails)
        self.puts.append(name)
        super().put(name, data)


class Place:
    """A run that is written by hand, its store, and what was told."""

    def __init__(self, root: Path) -> None:
        self.run = Written(root / "result")
        self.root = self.run.paths.root
        self.shelf = Shelf(root / "shelf")
        self.told: list[str] = []
        self.state = State(Direction.MAXIMIZE)
        self.config: Config = config_of(store=f"file://{root}/shelf")

    def sink(self, run: str = "run", **more: Any) -> Store:
        options: dict[str, Any] = {"report": lambda paths: None, "pause_s": 0.0}
        made = Store(self.config, RunPaths(self.root), self.told.append,
                     connect=lambda: self.shelf, **options | more)  # fmt: skip
        made.handle(RunCreated(1.0, "run", "0", {}), self.state)
        if run != "run":
            made.handle(RunResumed(1.0, "0", run), self.state)
        return made

    def write(self, **files: str | bytes) -> None:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (self.root / name.replace("_csv", ".csv").replace("_txt", ".txt")).write_bytes(data)

    def model(self, **files: bytes) -> None:
        """Swap the best model as the sink of it does."""
        remove_tree(self.root / "best_model")
        (self.root / "best_model/layers").mkdir(parents=True)
        for name, data in files.items():
            (self.root / "best_model/layers" / name).write_bytes(data)
        (self.root / "best_model.json").write_text(f'{{"files": {len(files)}}}')

    def stored(self) -> Mapping[str, bytes]:
        """The files in the store by name, put together from their parts."""
        _, contents = newest(self.shelf)
        assert contents is not None
        return {
            name: b"".join(self.shelf.get(f"{PARTS}/{part}", PART) for part in one.parts)
            for name, one in contents.files.items()
        }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def bring_up(sink: Store, state: State) -> None:
    sink.flush(state)
    while sink.wait(60.0):
        sink.flush(state)


def test_everything_goes_up_once_and_changes_follow(place: Place) -> None:
    place.write(trials_csv="trial\n", log_file_txt="log")
    place.model(w=b"weights", same=b"trial\n")
    (place.root / "best_model/link").symlink_to("/etc/passwd")
    (place.root / "round0").mkdir()
    sink = place.sink()
    bring_up(sink, place.state)
    stored = place.stored()
    assert stored.keys() == {"trials.csv", "log_file.txt", "run.db", "best_model.json",
                             "best_model/layers/w", "best_model/layers/same"}  # fmt: skip
    assert stored["best_model/layers/w"] == b"weights"
    assert len(place.shelf.puts) == len(set(place.shelf.puts))
    before = len(place.shelf.puts)
    place.model(w=b"better")
    bring_up(sink, place.state)
    sink.close()
    assert place.stored()["best_model/layers/w"] == b"better"
    new = [name for name in place.shelf.puts[before:] if name.startswith(PARTS)]
    assert len(new) == 2  # the weights and best_model.json
    used = {part for one in newest(place.shelf)[1].files.values() for part in one.parts}  # type: ignore[union-attr]
    assert place.shelf.names(PARTS).keys() == used
    assert place.told == []


def test_a_journal_that_grows_is_copied_whole(place: Place) -> None:
    sink = place.sink()
    bring_up(sink, place.state)
    place.run.trial(0, 0.5, mixed())
    bring_up(sink, place.state)
    sink.close()
    (place.root.parent / "copy").mkdir(mode=0o700)
    (place.root.parent / "copy/run.db").write_bytes(place.stored()["run.db"])
    with contextlib.closing(SqliteJournal(place.root.parent / "copy/run.db")) as journal:
        assert list(journal.events()) == list(place.run.journal.events())
    assert not (place.root / ".run.db.store").exists()


def test_a_later_session_uploads_only_what_is_missing(place: Place) -> None:
    place.write(trials_csv="one")
    first = place.sink()
    bring_up(first, place.state)
    first.close()
    before = len(place.shelf.puts)
    place.write(log_file_txt="two")
    second = place.sink()
    bring_up(second, place.state)
    second.close()
    assert len(place.shelf.puts) - before == 2  # the part, and the manifest
    assert place.stored()["log_file.txt"] == b"two"


def test_a_part_that_a_killed_session_cut_short_is_uploaded_again(place: Place) -> None:
    place.write(trials_csv="whole", log_file_txt="other")
    first = place.sink()
    bring_up(first, place.state)
    first.close()
    _, contents = newest(place.shelf)
    assert contents is not None
    (cut,) = contents.files["trials.csv"].parts
    (damaged,) = contents.files["log_file.txt"].parts
    shelf = place.root.parent / "shelf"
    for manifest in shelf.glob("run-*.json"):
        manifest.unlink()  # killed before it was written
    (shelf / PARTS / cut).write_bytes(b"who")
    (shelf / PARTS / damaged).write_bytes(b"OTHER")
    second = place.sink()
    bring_up(second, place.state)
    second.close()
    assert place.stored()["trials.csv"] == b"whole"
    assert place.stored()["log_file.txt"] == b"other"


def test_what_a_killed_session_has_uploaded_counts(place: Place) -> None:
    place.write(trials_csv="one")
    place.model(w=b"weights")
    first = place.sink()
    bring_up(first, place.state)
    first.close()
    shelf = place.root.parent / "shelf"
    for manifest in shelf.glob("run-*.json"):
        manifest.unlink()  # killed before it was written
    (shelf / PARTS / ("ab" * 32)).write_bytes(b"of a model that is no longer the best")
    (shelf / PARTS / "mine.txt").write_bytes(b"a file of the user")
    before = len(place.shelf.puts)
    second = place.sink()
    bring_up(second, place.state)
    second.close()
    assert not [name for name in place.shelf.puts[before:] if name.startswith(PARTS)]
    assert "ab" * 32 not in place.shelf.names(PARTS)
    assert "mine.txt" in place.shelf.names(PARTS)


def test_a_store_that_fails_is_told_once_and_tried_again(place: Place) -> None:
    place.shelf.fails = "no route to it"
    place.write(trials_csv="one")
    sink = place.sink()
    failed = threading.Event()

    def warn(sentence: str) -> None:
        place.told.append(sentence)
        failed.set()

    sink._warn = warn
    sink.flush(place.state)
    assert failed.wait(60.0)
    standing = read_standing(RunPaths(place.root))
    assert standing is not None
    assert standing.problem == "no route to it"
    assert set(standing.waiting) == {"trials.csv", "run.db"}
    assert sink.is_behind
    place.shelf.fails = ""
    bring_up(sink, place.state)
    sink.close()
    (told,) = place.told
    assert "fails (no route to it); it is tried again while the run goes on" in told
    assert place.stored()["trials.csv"] == b"one"
    standing = read_standing(RunPaths(place.root))
    assert standing is not None
    assert not (standing.problem or standing.waiting)


def test_the_end_of_a_run_is_bounded_and_says_what_is_missing(place: Place) -> None:
    place.shelf.fails = "the disk there is full"
    place.write(trials_csv="one")
    sink = place.sink(patience_s=0.0)
    bring_up(sink, place.state)
    assert not sink.is_behind
    sink.close()
    assert "not in the store" in place.told[-1]
    assert "trials.csv, run.db (the disk there is full)" in place.told[-1]
    assert "autofinetune rebuild" in place.told[-1]


def test_a_store_that_does_not_answer_holds_nothing_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autofinetune.sinks.store.CLOSE_S", 0.01)
    is_over, is_asked = threading.Event(), threading.Event()

    def hang() -> None:
        is_asked.set()
        assert is_over.wait(60.0)

    place.shelf.at_put = hang
    place.write(trials_csv="one")
    sink = place.sink()
    sink.flush(place.state)
    assert is_asked.wait(60.0)
    thread = sink._thread
    assert thread is not None
    sink.close()
    assert "trials.csv" in place.told[-1]
    is_over.set()
    thread.join()
    assert PARTS in place.shelf.puts[0]


def test_the_store_of_another_run_is_left_alone(place: Place) -> None:
    first = place.sink()
    bring_up(first, place.state)
    first.close()
    before = dict(place.stored())
    other = place.sink()
    other.handle(RunCreated(1.0, "another", "0", {}), place.state)
    place.write(trials_csv="of another")
    guard = SinkGuard([other], place.told.append)
    guard.finish(place.state)
    guard.close()
    (told,) = place.told
    assert told.startswith(f"the store stopped ({place.config.store}: it holds another run")
    assert place.stored() == before


def test_a_run_that_goes_on_elsewhere_takes_the_store_over(place: Place) -> None:
    first = place.sink()
    bring_up(first, place.state)
    copy = place.sink("copy")
    place.write(trials_csv="of the copy")
    bring_up(copy, place.state)
    copy.close()
    assert place.told == []
    place.write(trials_csv="of the first")
    guard = SinkGuard([first], place.told.append)
    guard.finish(place.state)
    assert "another run, or a copy of this one" in place.told[0]
    assert place.stored()["trials.csv"] == b"of the copy"


def test_a_store_that_somebody_emptied_is_filled_again(place: Place) -> None:
    sink = place.sink()
    place.write(log_file_txt="log")
    bring_up(sink, place.state)
    remove_tree(place.root.parent / "shelf")
    place.write(trials_csv="one")
    bring_up(sink, place.state)
    sink.close()
    assert place.stored().keys() == {"trials.csv", "log_file.txt", "run.db"}


def test_a_model_that_is_swapped_meanwhile_is_never_mixed(place: Place) -> None:
    place.model(w=b"old")
    sink = place.sink()
    bring_up(sink, place.state)
    place.model(w=b"new")
    swaps = [lambda: place.model(w=b"newest")]
    place.shelf.at_put = lambda: swaps.pop()() if swaps else None
    sink.flush(place.state)
    bring_up(sink, place.state)
    sink.close()
    assert place.stored()["best_model/layers/w"] == b"newest"


def test_the_report_goes_up_last(place: Place) -> None:
    made = []

    def report(paths: RunPaths) -> None:
        made.append(1)
        (paths.root / "report.html").write_text("page")

    sink = place.sink(report=report)
    bring_up(sink, place.state)
    sink.close()
    assert place.stored()["report.html"] == b"page"
    assert len(made) == 1


def test_the_report_is_made_even_if_the_last_files_are_there_before_the_end_waits(
    place: Place,
) -> None:
    def report(paths: RunPaths) -> None:
        (paths.root / "report.html").write_text("page")

    sink = place.sink(report=report)
    place.run.trial(0, 0.5, mixed())
    sink.handle(RunEnded(9.0, "done"), place.state)
    sink.flush(place.state)
    with sink._changed:
        assert sink._changed.wait_for(lambda: sink._done >= sink._wanted, 60.0)
    sink.close()
    assert place.stored()["report.html"] == b"page"
    assert place.told == []


def test_what_was_uploaded_comes_back(place: Place) -> None:
    place.write(trials_csv="one")
    place.model(w=bytes(PART) + b"end", empty=b"")
    sink = place.sink()
    bring_up(sink, place.state)
    sink.close()
    back = place.root.parent / "back"
    pulled = pull(place.config.store, lambda: place.shelf, back)
    assert (back / "best_model/layers/w").read_bytes() == bytes(PART) + b"end"
    assert (back / "best_model/layers/empty").read_bytes() == b""
    assert (back / "trials.csv").read_bytes() == b"one"
    assert pulled.contents.files.keys() == place.stored().keys()
