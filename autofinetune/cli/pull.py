"""`autofinetune pull URL DIR`: bring a run back from a store."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from autofinetune.cli.options import Parser, add_option
from autofinetune.config.option import store_url
from autofinetune.config.options import OPTIONS
from autofinetune.errors import UsageError
from autofinetune.run.pull import pull
from autofinetune.store.credentials import read_secrets
from autofinetune.store.remote import AISTORE, Remote, check_libraries, scheme_of
from autofinetune.store.standing import bytes_of
from autofinetune.terminal import out
from autofinetune.visible import counted


def pull_command(argv: Sequence[str]) -> int:
    """Bring a run into a directory and return the exit code."""
    parser = Parser(
        "pull",
        description="Bring a run back from the store that --store named, into a new directory. "
        "Every part is checked. After an interruption the same command continues.",
    )
    parser.add_argument("url", metavar="URL", help="the store, as --store had it")
    parser.add_argument("directory", metavar="DIR", help="where the run goes")
    add_option(parser, OPTIONS["secrets"])
    options = parser.parse_args(argv)
    url, directory = _checked(options.url), Path(options.directory)
    secrets = read_secrets(options.secrets or "")
    check_libraries(url)
    pulled = pull(url, lambda: Remote(url, secrets), directory)
    contents = pulled.contents
    size, fetched = bytes_of(contents.size), bytes_of(pulled.fetched)
    out(f"{counted(len(contents.files), 'file')}, {size}, are in {directory}, each verified; "
        f"{fetched} came from the store")  # fmt: skip
    out(f"To see the run: autofinetune status {shlex.quote(str(directory))}")
    return 0


def _checked(url: str) -> str:
    try:
        found = store_url(url)
    except ValueError as error:
        raise UsageError(f"{url!r:.200} {error}", "for example s3://bucket/run") from None
    if not found or scheme_of(found) == AISTORE:
        raise UsageError(
            f"{url!r:.200} is no store of files", "give s3://, gs://, sftp:// or file://"
        )
    return found
