"""Access control of the dashboard against other users and against other sites in a browser."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Application = Callable[..., Iterable[bytes]]
_METHODS = ("GET", "HEAD")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_ANY = ("0.0.0.0", "::")
_HEADERS = (
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
)


def guarded(app: Application, *, host: str, token: str) -> Application:
    """Restrict `app` to requests that name this server, come from its pages and have the token.

    Another site can make its host name resolve to this machine and then read the responses (DNS
    rebinding); the `Host` header reveals that. The token is given once, as `?token=` in the URL,
    and is then kept by the browser as a cookie; if it is empty, none is required. The server is
    bound to `host`.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        refusal = _refusal(environ, host)
        if refusal:
            return _refuse(start_response, *refusal)
        headers = list(_HEADERS)
        if token:
            name = f"autofinetune-{environ['SERVER_PORT']}"
            given = dict(parse_qsl(environ.get("QUERY_STRING", "")))
            if _is_equal(given.pop("token", ""), token):
                environ["QUERY_STRING"] = urlencode(given)
                headers.append(
                    ("Set-Cookie", f"{name}={token}; Path=/; HttpOnly; SameSite=Strict")
                )
            elif not _is_equal(_cookie(environ, name), token):
                return _refuse(
                    start_response,
                    "403 Forbidden",
                    "open the full address that `autofinetune dashboard` printed, including its "
                    "token",
                )

        def start(status: str, sent: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*sent, *headers], *more)

        return app(environ, start)

    return answer


def _refusal(environ: dict[str, Any], host: str) -> tuple[str, str] | None:
    """Return status and message to refuse a request regardless of its token, or None."""
    if environ["REQUEST_METHOD"] not in _METHODS:
        return "405 Method Not Allowed", f"use {' or '.join(_METHODS)}"
    named = environ.get("HTTP_HOST", "")
    if not _is_ours(named, host):
        return "421 Misdirected Request", "this server has a different name"
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin != f"http://{named}":
        return "403 Forbidden", "requests from other sites are refused"
    return None


def _is_ours(named: str, host: str) -> bool:
    """Return whether a request names this server; any port is valid, because of `ssh -L`."""
    try:
        name = urlsplit(f"//{named}").hostname or ""
    except ValueError:
        return False
    if name in _LOCAL or name == host.lower():
        return True
    return host in _ANY and (_is_address(name) or name == socket.gethostname().lower())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(environ: dict[str, Any], name: str) -> str:
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _is_equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def _refuse(start_response: Callable[..., Any], status: str, sentence: str) -> Iterable[bytes]:
    body = f"{sentence}\n".encode()
    start_response(
        status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    )
    return [body]
