"""Files are accessed without following links, even after the directory was moved."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from autofinetune.store.directory import (
    TRUST_VARIABLE,
    Place,
    append_whole,
    appended,
    read_file,
    why_not_ours,
    write_atomically,
)
from tests.helpers import file_size_limit


def test_a_directory_that_is_moved_meanwhile_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with Place(tmp_path, "a/b").opened() as here:
        (tmp_path / "a").rename(tmp_path / "c")
        write_atomically(here / "file", b"content")
    assert (tmp_path / "c" / "b" / "file").read_bytes() == b"content"


@pytest.mark.parametrize("link", ["a", "a/b"])
def test_no_link_on_the_way_is_followed(tmp_path: Path, link: str) -> None:
    (tmp_path / "outside" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a").mkdir(parents=True)
    if link == "a":
        (tmp_path / "root" / "a").rmdir()
    (tmp_path / "root" / link).symlink_to(tmp_path / "outside")
    place = Place(tmp_path / "root", "a/b")
    assert not place.is_there()
    with place.opened(create=True) as here:
        (here / "file").touch()
    assert place.is_there()
    assert not (tmp_path / "root" / link).is_symlink()
    assert [path.name for path in (tmp_path / "outside").rglob("*")] == ["b"]


@pytest.mark.parametrize("way", ["..", "a/../..", "a//b", "/", "./a"])
def test_a_way_leads_down_only(tmp_path: Path, way: str) -> None:
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    place = Place(tmp_path / "root", way)
    with pytest.raises(OSError, match="not a directory name"), place.opened():
        pass


def test_a_missing_directory_is_made_if_wanted(tmp_path: Path) -> None:
    place = Place(tmp_path / "root", "a")
    assert not place.is_there()
    with place.opened(create=True):
        pass
    assert place.is_there()
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["file", ".file.tmp"])
def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("precious")
    (tmp_path / name).symlink_to(tmp_path / "outside")
    write_atomically(tmp_path / "file", [b"one", b"two"])
    assert (tmp_path / "file").read_text() == "onetwo"
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "outside").read_text() == "precious"


def test_appending_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "link", "new"):
        with appended(tmp_path / name) as file:
            file.write(b"more")
    found = {name: (tmp_path / name).read_text() for name in ("outside", "link", "pipe", "new")}
    assert found == {"outside": "precious", "link": "moremore", "pipe": "more", "new": "more"}


def test_only_regular_files_of_bounded_size_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # socket paths must be short
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    assert read_file(tmp_path / "file", 5) == b"12345"
    for name in ("link", "pipe", "socket", "none", "."):
        with pytest.raises(OSError, match=r"Errno"):
            read_file(tmp_path / name)
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_file(tmp_path / "file", 4)


def stat_of(uid: int, mode: int, gid: int = 0) -> os.stat_result:
    return os.stat_result((0o40000 | mode, 1, 1, 2, uid, gid, 0, 0, 0, 0))


def test_a_directory_that_others_can_change_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other_group = os.geteuid(), 54_321
    assert why_not_ours(stat_of(own, 0o755)) == ""
    assert "belongs to user 54321" in why_not_ours(stat_of(54_321, 0o700))
    assert "every user may write" in why_not_ours(stat_of(own, 0o1777))
    assert "its group may write" in why_not_ours(stat_of(own, 0o770, other_group))
    assert why_not_ours(stat_of(own, 0o750, other_group)) == ""
    monkeypatch.setenv(TRUST_VARIABLE, "1")
    assert why_not_ours(stat_of(54_321, 0o777)) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="the group of root bears its name")
def test_a_group_that_bears_the_name_of_its_user_is_that_user() -> None:
    assert why_not_ours(stat_of(0, 0o770, 0)) == ""


def test_a_directory_that_is_held_may_be_moved(tmp_path: Path) -> None:
    held = Place(tmp_path, "a/b").held()
    try:
        (tmp_path / "a").rename(tmp_path / "c")
        (held / "file").write_text("content")
        # Other processes can use the path as well.
        assert subprocess.check_output(["cat", held / "file"], text=True) == "content"
        assert (tmp_path / "c/b/file").read_text() == "content"
    finally:
        os.close(int(held.name))


def test_all_is_appended_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    append_whole(path, b"one")
    append_whole(path, b"two")
    with file_size_limit(8), pytest.raises(OSError, match="File too large"):
        append_whole(path, b"three")
    assert path.read_bytes() == b"onetwo"
