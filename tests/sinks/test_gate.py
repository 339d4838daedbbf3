"""Access control of the dashboard."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from autofinetune.sinks.gate import guarded

TOKEN = "secret-words"


def ask(
    host: str = "127.0.0.1",
    token: str = TOKEN,
    method: str = "GET",
    query: str = "",
    **headers: str,
) -> tuple[str, dict[str, str], str]:
    """Return the status, the headers, and the query that reached the pages, if any."""
    seen: list[str] = []
    said: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["QUERY_STRING"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    def start_response(status: str, sent: list[tuple[str, str]]) -> None:
        said["status"], said["headers"] = status, dict(sent)

    environ = {
        "REQUEST_METHOD": method, "SERVER_PORT": "8040", "QUERY_STRING": query,
        "HTTP_HOST": "127.0.0.1:8040", **headers,
    }  # fmt: skip
    guarded(app, host=host, token=token)(environ, start_response)
    assert bool(seen) == said["status"].startswith("200")
    return said["status"], said["headers"], seen[0] if seen else ""


def code(*words: Any, **more: Any) -> int:
    return int(ask(*words, **more)[0].split()[0])


def test_who_knows_the_token_gets_a_cookie_and_needs_it_no_more() -> None:
    status, headers, query = ask(query=f"a=1&token={TOKEN}&b=x%20y")
    assert (status, query) == ("200 OK", "a=1&b=x+y")
    assert headers["Set-Cookie"] == (
        f"autofinetune-8040={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    )
    assert headers["X-Frame-Options"] == "DENY"
    assert code(HTTP_COOKIE=f"other=1; autofinetune-8040={TOKEN}") == 200


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"query": "token="},
        {"query": "token=secret-word"},
        {"query": "token=%ff%fe"},
        {"HTTP_COOKIE": "autofinetune-8040=other"},
        {"HTTP_COOKIE": f"autofinetune-8041={TOKEN}"},
        {"HTTP_COOKIE": "\x00=;;;="},
        {"HTTP_COOKIE": "a b/[]=1"},
    ],
)
def test_nobody_else_is_answered(how: dict[str, str]) -> None:
    assert code(**how) == 403


def test_without_a_token_everybody_is_answered_who_names_this_server() -> None:
    assert code(token="") == 200
    assert "Set-Cookie" not in ask(token="", query="token=")[1]
    assert code(token="", HTTP_HOST="evil.example") == 421


@pytest.mark.parametrize(
    ("host", "named", "answered"),
    [
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST:9000", True),  # as with ssh -L
        ("127.0.0.1", "[::1]:8040", True),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "evil.example:8040", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "evil.example@127.0.0.1x", False),
        ("127.0.0.1", "10.0.0.1", False),
        ("127.0.0.1", "[", False),
        ("127.0.0.1", "", False),
        ("Box.example", "box.example", True),
        ("0.0.0.0", "10.0.0.1:8040", True),
        ("0.0.0.0", f"{socket.gethostname()}:8040", True),
        ("::", "[fd00::1]", True),
        ("::", "evil.example", False),
    ],
)
def test_a_request_must_name_this_server(host: str, named: str, answered: bool) -> None:
    wanted = 200 if answered else 421
    assert code(host=host, HTTP_HOST=named, query=f"token={TOKEN}") == wanted


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_nothing_is_changed_from_outside(method: str) -> None:
    assert code(method=method, query=f"token={TOKEN}") == 405


def test_pages_of_other_servers_get_no_answer() -> None:
    known = {"query": f"token={TOKEN}"}
    assert code(HTTP_ORIGIN="http://127.0.0.1:8040", **known) == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:8040"):
        assert code(HTTP_ORIGIN=origin, **known) == 403


def test_the_head_of_a_page_may_be_asked_for() -> None:
    assert code(method="HEAD", query=f"token={TOKEN}") == 200
