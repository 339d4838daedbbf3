"""A folder in a store of files: S3, Google Cloud, SFTP, or a directory, by fsspec."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from autofinetune.library import Library
from autofinetune.store.credentials import Secrets
from autofinetune.visible import visible

AISTORE = "aistore"  # a folder of AIStore is no store of files: see sinks/t9k.py
_FSSPEC = Library("fsspec", "2024.2", "autofinetune[store]")
_NEEDS = {
    "s3": Library("s3fs", "2024.2", "autofinetune[store]"),
    "gs": Library("gcsfs", "2024.2", "gcsfs"),
    "sftp": Library("paramiko", "3.0", "paramiko"),
    "file": _FSSPEC,
}
_WITH_FOLDERS = ("file", "sftp")  # a folder must exist before a file in it
_CONNECT_S, _READ_S = 10, 60
_MD5 = re.compile(r"[0-9a-f]{32}")
_MOST_WORDS = 200


class StoreFailed(Exception):
    """Why a store did not do what it was asked, in words without secrets; it may do it later."""


def scheme_of(url: str) -> str:
    return url.partition("://")[0]


def check_libraries(url: str) -> None:
    """Raise EnvironmentProblem if a package that a store needs is missing or too old."""
    for library in (_FSSPEC, _NEEDS[scheme_of(url)]):
        library.check(f"--store={url}")


class Remote:
    """The folder `url`; names are relative to it.

    Every method raises StoreFailed if the store does not answer, or refuses.
    """

    def __init__(self, url: str, secrets: Secrets) -> None:
        self._secrets = secrets
        self._scheme = scheme_of(url)
        with self._asked():
            from fsspec.core import url_to_fs

            # What fails is tried again by the caller, who can stop in between.
            options = self._options()
            self._fs, root = url_to_fs(url, skip_instance_cache=True, **options)
            if self._scheme == "s3":
                self._fs.retries = 1
        self._root = root.rstrip("/")

    def names(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files in a folder by name; a missing folder has none."""
        with self._asked():
            self._fs.invalidate_cache()
            try:
                found = self._fs.ls(self._path(folder), detail=True)
            except FileNotFoundError:
                return {}
            return {
                str(one["name"]).rpartition("/")[2]: int(one["size"] or 0)
                for one in found
                if one["type"] == "file" and not one.get("islink")
            }

    def get(self, name: str, most: int) -> bytes:
        """Return the content of a file; raise FileNotFoundError, or ValueError if it is longer."""
        with self._asked():
            size = int(self._info(name)["size"])
        if size > most:
            raise ValueError(f"{name} has {size} bytes, and at most {most} are expected")
        with self._asked():
            return bytes(self._fs.cat_file(self._path(name)))

    def put(self, name: str, data: bytes) -> None:
        """Write a file and check by its checksum that it arrived."""
        path = self._path(name)
        try:
            with self._asked():
                if self._scheme in _WITH_FOLDERS:
                    self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._fs.pipe_file(path, data)
        except FileNotFoundError:
            raise StoreFailed("there is no such bucket or folder") from None
        if not self.holds(name, data):
            raise StoreFailed(f"{name} arrived damaged")

    def holds(self, name: str, data: bytes) -> bool:
        """Return whether a file with exactly this content is there.

        S3 tells an MD5; where that is missing or means something else, the file is read.
        """
        try:
            with self._asked():
                info = self._info(name)
            if int(info["size"]) != len(data):
                return False
            told = str(info.get("ETag", "")).strip('"')
            is_md5 = self._scheme == "s3" and _MD5.fullmatch(told)
            if is_md5 and told == hashlib.md5(data, usedforsecurity=False).hexdigest():
                return True
            return self.get(name, len(data)) == data
        except (FileNotFoundError, ValueError):
            return False

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError), self._asked():
            self._fs.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _info(self, name: str) -> Any:
        self._fs.invalidate_cache()
        return self._fs.info(self._path(name))

    def _options(self) -> dict[str, Any]:
        if self._scheme == "sftp":
            return {"timeout": _CONNECT_S}
        if self._scheme != "s3":
            return {}
        keys = self._secrets.s3
        config: dict[str, Any] = {"connect_timeout": _CONNECT_S, "read_timeout": _READ_S,
                                  "retries": {"max_attempts": 1}}  # fmt: skip
        found: dict[str, Any] = {"config_kwargs": config, "use_listings_cache": False}
        if keys is not None:
            found |= {"key": keys.key, "secret": keys.secret, "token": keys.token or None}
            where = {"endpoint_url": keys.endpoint, "region_name": keys.region}
            found["client_kwargs"] = {name: value for name, value in where.items() if value}
            if keys.has_path_style:
                config["s3"] = {"addressing_style": "path"}
        return found

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """Turn what the libraries raise into StoreFailed, but for a file that is missing."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:  # each library has its own
            words = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, PermissionError):
                words = f"the store refuses the key: {words}"
            words = visible(self._secrets.hidden(words))
            raise StoreFailed(words[:_MOST_WORDS]) from None
