"""An obstacle is reported when it appears and when it is gone."""

from __future__ import annotations

from autofinetune.run.notices import Notices


def test_a_hindrance_is_told_once_until_it_is_over() -> None:
    told: list[str] = []
    notices = Notices(told.append)
    notices.end("disk", "there was never anything")
    for free in (3, 2):
        notices.begin("disk", f"{free} GiB are free")
    notices.begin("card", "taken")
    notices.end("disk", "space again")
    notices.end("disk", "space again")
    notices.begin("disk", "1 GiB is free")
    assert told == ["3 GiB are free", "taken", "space again", "1 GiB is free"]


def test_an_end_without_words_is_silent() -> None:
    told: list[str] = []
    notices = Notices(told.append)
    for _ in range(2):
        notices.begin("room", "no room")
        notices.end("room")
    assert told == ["no room", "no room"]
