"""Keys for stores: every form that they come in, and no word of them in a message."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from autofinetune.errors import UsageError
from autofinetune.store.credentials import API_KEY_VARIABLE, S3Keys, Secrets, read_secrets

S3CFG = """\
[default]
access_key = AKEXAMPLE
secret_key = 50%/secret+key
host_base = s3.lab.example:9000
host_bucket = s3.lab.example:9000
use_https = False
bucket_location = US
"""
KEYS = S3Keys("AKEXAMPLE", "50%/secret+key", "", "http://s3.lab.example:9000", has_path_style=True)


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(**data: str) -> str:
    lines = "".join(f"  {key}: {encoded(value)}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: one\ndata:\n{lines}type: Opaque\n"


VARIABLES = {
    "AWS_ACCESS_KEY_ID": KEYS.key,
    "AWS_SECRET_ACCESS_KEY": KEYS.secret,
    "AWS_ENDPOINT_URL": KEYS.endpoint,
}
FIELDS = {
    "access_key": KEYS.key,
    "secret_key": KEYS.secret,
    "host_base": "s3.lab.example:9000",
    "use_https": "False",
}
PLAIN = "kind: Secret\nstringData:\n  .s3cfg: |\n" + "".join(
    f"    {line}\n" for line in S3CFG.splitlines()
)


@pytest.mark.parametrize(
    "text",
    [S3CFG, secret(**{".s3cfg": S3CFG}), secret(**VARIABLES), secret(**FIELDS), PLAIN],
    ids=["s3cfg", "secret with s3cfg", "secret of variables", "secret of fields", "stringData"],
)
def test_keys_for_s3_in_each_form(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(text)
    assert read_secrets(str(file)).s3 == KEYS


def test_amazon_needs_no_endpoint(tmp_path: Path) -> None:
    text = S3CFG.replace("s3.lab.example:9000", "s3.amazonaws.com").replace("US", "eu-west-1")
    (tmp_path / ".s3cfg").write_text(text)
    keys = read_secrets(str(tmp_path / ".s3cfg")).s3
    assert keys is not None
    assert (keys.endpoint, keys.region, keys.has_path_style) == ("", "eu-west-1", False)


def test_an_api_key_from_a_secret_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_secrets("") == Secrets()
    monkeypatch.setenv(API_KEY_VARIABLE, "from-outside")
    assert read_secrets("").api_key == "from-outside"
    file = tmp_path / "secret.yaml"
    file.write_text(secret(apikey="d4222cf5-2b46"))
    assert read_secrets(str(file)).api_key == "d4222cf5-2b46"


def test_one_of_several_secrets(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    two = secret(apikey="second").replace("name: one", "name: two")
    file.write_text(f"{secret(apikey='first')}---\n{two}")
    assert read_secrets(str(file)).api_key == "first"
    assert read_secrets(f"{file}#two").api_key == "second"
    assert read_secrets(str(file), "two").api_key == "second"
    with pytest.raises(UsageError, match="no Secret called 'three'; there are: one, two"):
        read_secrets(f"{file}#three")


def test_a_list_of_secrets_as_kubectl_prints_it(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    inner = f'{{"kind": "Secret", "data": {{"apikey": "{encoded("first")}"}}}}'
    file.write_text(f'{{"kind": "List", "items": [{{"kind": "ConfigMap"}}, {inner}]}}')
    assert read_secrets(str(file)).api_key == "first"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"kind: Secret\ndata: {apikey: hunter22!}\n", "data.apikey is not text in base64"),
        (b"kind: Secret\ndata: [hunter22\n", "is not valid YAML"),
        (b"kind: Secret\nstringData: {other: hunter22}\n", "neither an apikey nor keys for S3"),
        (b"kind: ConfigMap\ndata: {apikey: hunter22}\n", "no Secret"),
        (b"[default]\nhunter22\n", "neither an apikey nor keys for S3"),
        (b"\xff\xfehunter22", "not UTF-8 text"),
        (None, "No such file"),
    ],
)
def test_a_file_without_keys_is_told_without_its_content(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "secrets"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=why) as told:
        read_secrets(str(file))
    assert "hunter22" not in f"{told.value} {told.value.tip}"


def test_secrets_are_masked_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of the session")
    secrets = Secrets("api-key-1", KEYS)
    for one in ("api-key-1", KEYS.key, KEYS.secret):
        assert one not in repr(secrets)
    told = secrets.hidden(f"{KEYS.key}: {KEYS.secret} is wrong, so is api-key-1 of the session")
    assert told == "***: *** is wrong, so is *** ***"
