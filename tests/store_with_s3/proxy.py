"""A TCP proxy that can be down, slow, cut answers in half, refuse to store, or stall."""

from __future__ import annotations

import contextlib
import socket
import threading

_FULL = (
    b'<?xml version="1.0"?><Error><Code>InsufficientStorage</Code>'
    b"<Message>The disk of the server is full</Message></Error>"
)
FULL = (
    b"HTTP/1.1 507 Insufficient Storage\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: " + str(len(_FULL)).encode() + b"\r\n\r\n" + _FULL
)


class Proxy:
    """Forwards to a port of this machine.

    `fault` is one of "", "down", "slow", "half" and "full". After `stall_after` writes nothing is
    forwarded any more, and `has_stalled` is set.
    """

    def __init__(self, port: int) -> None:
        self.fault = ""
        self.stall_after: int | None = None
        self.has_stalled = threading.Event()
        self.writes: list[str] = []
        self.reads: list[str] = []
        self._to = port
        self._is_over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.fault == "down":
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._to))
            for work in (self._requests, self._answers):
                threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                method, _, rest = data[:300].partition(b" ")
                path = rest.partition(b" ")[0].decode(errors="replace")
                if method == b"GET":
                    self.reads.append(path)
                if method == b"PUT":
                    if self.fault == "full":
                        client.sendall(FULL)
                        break
                    if self.stall_after is not None and len(self.writes) >= self.stall_after:
                        self.has_stalled.set()
                        self._is_over.wait()
                    self.writes.append(path)
                if self.fault == "down":
                    break
                server.sendall(data)
        _end(client, server)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if self.fault == "half":
                    client.sendall(data[: len(data) // 2])
                    break
                if self.fault == "slow":
                    for start in range(0, len(data), 1 << 14):
                        self._is_over.wait(0.02)
                        client.sendall(data[start : start + (1 << 14)])
                else:
                    client.sendall(data)
        _end(client, server)


def _end(*ends: socket.socket) -> None:
    for one in ends:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
