"""SFTP and Google Cloud Storage: the real client libraries, and servers of other authors."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.run.pull import pull
from autofinetune.store.credentials import Secrets
from autofinetune.store.remote import Remote, StoreFailed
from tests.store_with_s3.test_store import finish, same, sink_of, written

# What the libraries and the servers leave to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that knows the key in ~/.ssh of a new HOME."""
    pytest.importorskip("paramiko", reason="make test-cluster has the client library")
    asyncssh = pytest.importorskip("asyncssh", reason="make test-cluster has the server")
    home, shelf = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("shelf")
    (home / ".ssh").mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(home / ".ssh" / "id_ed25519"))
    key.write_public_key(str(home / "known"))
    loop, servers = asyncio.new_event_loop(), list[Any]()
    is_up = threading.Event()

    async def listen() -> None:
        server = await asyncssh.listen(
            "127.0.0.1", 0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=str(home / "known"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(shelf)),
        )  # fmt: skip
        servers.append(server)
        is_up.set()

    def serve() -> None:
        loop.create_task(listen())
        loop.run_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert is_up.wait(60.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield f"sftp://me@127.0.0.1:{servers[0].get_port()}/runs"
    loop.call_soon_threadsafe(servers[0].close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    gc.collect()


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    """The address of a bucket, on a server to which the library is led by its own variable."""
    pytest.importorskip("gcsfs", reason="make test-cluster has the client library")
    emulator = pytest.importorskip(
        "gcp_storage_emulator.server", reason="make test-cluster has the server"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="runs")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        yield "gs://runs"
    server.stop()
    gc.collect()


@pytest.fixture(params=["sftp", "google"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_a_run_goes_there_and_comes_back(store: str, tmp_path: Path) -> None:
    told: list[str] = []
    root, url = written(tmp_path, 3 << 20), f"{store}/one"
    finish(sink_of(root, url, lambda: Remote(url, Secrets()), told))
    assert told == []
    pull(url, lambda: Remote(url, Secrets()), tmp_path / "back")
    same(root, tmp_path / "back")


def test_files_are_written_replaced_listed_and_removed(store: str) -> None:
    remote, data = Remote(f"{store}/two", Secrets()), os.urandom(100_000)
    assert remote.names("parts") == {}
    remote.put("parts/a", data)
    remote.put("list.json", b"{}")
    remote.put("list.json", b"[1]")
    assert remote.names("parts") == {"a": len(data)}
    assert remote.get("parts/a", len(data)) == data
    assert remote.holds("list.json", b"[1]")
    assert not remote.holds("list.json", b"[2]")
    for _ in range(2):
        remote.remove("parts/a")
    assert remote.names("parts") == {}
    with pytest.raises(FileNotFoundError):
        remote.get("parts/a", 1)


def test_a_server_that_refuses_the_key_is_told(
    sftp: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StoreFailed, match="uthentication"):
        Remote(f"{sftp}/three", Secrets())
