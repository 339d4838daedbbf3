"""An S3 server, a proxy before it, and keys that it knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autofinetune.store.credentials import S3Keys, Secrets
from autofinetune.store.remote import Remote

from .proxy import Proxy

BUCKET = "runs"
_BEFORE_KEYS_COUNT = 4  # requests with which the keys are made


@dataclass
class Server:
    """A server and the proxy that clients talk to; `keys` are those that it accepts."""

    proxy: Proxy
    keys: S3Keys

    def secrets(self, **more: str) -> Secrets:
        return Secrets(s3=S3Keys(**{**vars(self.keys), **more}))

    def connect(self, place: str = "one") -> Remote:
        return Remote(f"s3://{BUCKET}/{place}", self.secrets())

    def write_secret(self, file: Path, **more: str) -> Path:
        """Write the keys as a Secret of Kubernetes."""
        keys = self.secrets(**more).s3
        assert keys is not None
        file.write_text(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s3}\nstringData:\n"
            f"  AWS_ACCESS_KEY_ID: {keys.key}\n  AWS_SECRET_ACCESS_KEY: {keys.secret}\n"
            f"  AWS_ENDPOINT_URL: {keys.endpoint}\n"
        )
        return file


@pytest.fixture(scope="session")
def port() -> Iterator[tuple[int, str, str]]:
    """The port of a server that checks signatures, with a key and its secret."""
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = str(_BEFORE_KEYS_COUNT)  # read at the import
    moto = pytest.importorskip("moto.server", reason="make test-cluster has the S3 server")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, number = server.get_host_and_port()
    options = {"endpoint_url": f"http://127.0.0.1:{number}", "region_name": "us-east-1",
               "aws_access_key_id": "first", "aws_secret_access_key": "first"}  # fmt: skip
    iam = boto3.client("iam", **options)
    iam.create_user(UserName="me")
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'  # noqa: E501
    iam.put_user_policy(UserName="me", PolicyName="all", PolicyDocument=policy)
    boto3.client("s3", **options).create_bucket(Bucket=BUCKET)
    made = iam.create_access_key(UserName="me")["AccessKey"]
    yield number, made["AccessKeyId"], made["SecretAccessKey"]
    server.stop()


@pytest.fixture
def server(port: tuple[int, str, str]) -> Iterator[Server]:
    number, key, secret = port
    proxy = Proxy(number)
    made = Server(proxy, S3Keys(key, secret, "", proxy.url, "", has_path_style=True))
    yield made
    proxy.close()
