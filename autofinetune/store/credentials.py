"""Keys for stores, from a file of the user; they stay in memory and out of every message.

The file is a Kubernetes Secret, several of them, or the `.s3cfg` of s3cmd. A Secret holds the key
of AIStore (`apikey`), or keys for S3: as a file `.s3cfg`, or each field of one, or each variable
of AWS by its name.
"""

from __future__ import annotations

import base64
import binascii
import configparser
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autofinetune.errors import AutofinetuneError, UsageError
from autofinetune.space.yaml_file import parse_yaml, read_named

API_KEY_VARIABLE = "AISTORE_API_KEY"
MASK = "***"
_MOST_BYTES = 1 << 20
_SHORTEST = 4  # characters of a text that is masked in messages
_IN_ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                   API_KEY_VARIABLE)  # fmt: skip
_API_KEYS = ("apikey", "api_key", "api-key")
_FIELDS = {  # of S3, by their names in lower case
    "key": ("access_key", "aws_access_key_id"),
    "secret": ("secret_key", "aws_secret_access_key"),
    "token": ("access_token", "aws_session_token"),
    "endpoint": ("host_base", "aws_endpoint_url", "aws_endpoint_url_s3", "s3_endpoint"),
    "region": ("bucket_location", "aws_region", "aws_default_region"),
}
_AMAZON = "s3.amazonaws.com"
_TIP = "give a Kubernetes Secret with apikey or S3 keys (docs/store.md), or an .s3cfg"


@dataclass(frozen=True)
class S3Keys:
    """Keys of an S3 server; `endpoint` is its URL, empty for Amazon's."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    endpoint: str = ""
    region: str = ""
    has_path_style: bool = False


@dataclass(frozen=True)
class Secrets:
    """What a file of secrets holds; what is missing comes from the environment."""

    api_key: str = field(default="", repr=False)
    s3: S3Keys | None = None

    def hidden(self, text: str) -> str:
        """Return a text with every secret replaced by `***`."""
        known = [self.api_key, *(os.environ.get(n, "") for n in _IN_ENVIRONMENT)]
        if self.s3 is not None:
            known += [self.s3.key, self.s3.secret, self.s3.token]
        for one in sorted(known, key=len, reverse=True):
            if len(one) >= _SHORTEST:
                text = text.replace(one, MASK)
        return text


def read_secrets(given: str, name: str = "") -> Secrets:
    """Return the secrets of a file `FILE` or `FILE#NAME`; without one, those of the environment.

    Of several Secrets the one called `name`, or NAME, counts, else all of them, the first ones
    first. Raise UsageError if the file cannot be read or holds none; no message has its content.
    """
    found: dict[str, str] = {}
    if given:
        path, _, inner = (given, "", "") if Path(given).exists() else given.rpartition("#")
        for one in _secrets_in(Path(path or given), name or inner):
            found = {**one, **found}
    api_key = next((found[one] for one in _API_KEYS if found.get(one)), "")
    s3 = _s3_keys(found)
    if given and not api_key and s3 is None:
        raise UsageError(f"--secrets={given} holds neither an apikey nor keys for S3", _TIP)
    return Secrets(api_key or os.environ.get(API_KEY_VARIABLE, ""), s3)


def _secrets_in(path: Path, name: str) -> Iterator[Mapping[str, str]]:
    try:
        data = read_named(path, _MOST_BYTES + 1)
        text = data.decode("utf-8-sig") if len(data) <= _MOST_BYTES else ""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"cannot read --secrets={path}: {why}", _TIP) from None
    if re.search(r"^\s*\[default\]", text, re.MULTILINE) and "kind:" not in text:
        yield _of_s3cfg(text)
        return
    found = list(_documents(text, path))
    named = [one for one in found if not name or _name_of(one) == name]
    if not named:
        there = ", ".join(filter(None, map(_name_of, found))) or "none"
        wanted = f"no Secret called {name!r:.60}; there are: {there}" if name else "no Secret"
        raise UsageError(f"--secrets={path} holds {wanted}", _TIP)
    for one in named:
        yield _of_secret(one, path)


def _documents(text: str, path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the Secrets of a YAML file of one or several documents, which may be lists."""
    for part in re.split(r"^---.*$", text, flags=re.MULTILINE):
        if not part.strip():
            continue
        try:
            top = parse_yaml(part.encode(), path.name).value
        except AutofinetuneError:  # its message may quote a secret
            raise UsageError(f"--secrets={path} is not valid YAML", _TIP) from None
        items = top.get("items") if isinstance(top, dict) else None
        for one in items if isinstance(items, list) else [top]:
            if isinstance(one, dict) and one.get("kind") == "Secret":
                yield one


def _name_of(secret: Mapping[str, Any]) -> str:
    metadata = secret.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _of_secret(secret: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Return the entries of a Secret as text; a file `.s3cfg` among them becomes its fields."""
    found: dict[str, str] = {}
    for part in ("data", "stringData"):
        entries = secret.get(part)
        for key, value in entries.items() if isinstance(entries, dict) else ():
            text = str(value)
            if part == "data":
                try:
                    text = base64.b64decode("".join(text.split()), validate=True).decode()
                except (binascii.Error, ValueError):
                    why = f"data.{key!s:.60} is not text in base64"
                    raise UsageError(f"--secrets={path}: {why}", _TIP) from None
            if str(key).endswith("s3cfg"):
                found |= _of_s3cfg(text)
            else:
                found[str(key).lower()] = text.strip()
    return found


def _of_s3cfg(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
        return {name: value.strip() for name, value in parser.items("default")}
    except configparser.Error:
        return {}


def _s3_keys(found: Mapping[str, str]) -> S3Keys | None:
    values = {name: _first(found, names) for name, names in _FIELDS.items()}
    if not (values["key"] and values["secret"]):
        return None
    endpoint = values["endpoint"]
    if endpoint and "://" not in endpoint:
        is_plain = found.get("use_https", "true").lower() in ("false", "no", "off", "0")
        endpoint = f"http{'' if is_plain else 's'}://{endpoint}"
    if endpoint.endswith(f"//{_AMAZON}"):
        endpoint = ""
    region = "" if values["region"] == "US" else values["region"]  # what s3cmd writes unasked
    has_path_style = bool(endpoint) and "%(bucket)" not in found.get("host_bucket", "")
    return S3Keys(values["key"], values["secret"], values["token"], endpoint, region,
                  has_path_style)  # fmt: skip


def _first(found: Mapping[str, str], names: Iterable[str]) -> str:
    return next((found[name] for name in names if found.get(name)), "")
