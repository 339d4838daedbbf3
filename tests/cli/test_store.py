"""`--store` and `autofinetune pull`, with a directory as the store."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Workplace

SECRET = "hunter22-hunter22"


@dataclasses.dataclass
class WithKey(Workplace):
    """A user whose environment holds a key, too."""

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, "AISTORE_API_KEY": f"env-{SECRET}"}


def no_secret_in(root: Path, *texts: str) -> bool:
    files = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    return not any(SECRET.encode() in one for one in [*files, *(t.encode() for t in texts)])


@pytest.mark.long
def test_a_run_comes_back_from_its_store_and_goes_on(workplace: Workplace) -> None:
    work = WithKey(workplace.root, workplace.nursery)
    secret = work.root / "secret.yaml"
    secret.write_text(f"kind: Secret\nstringData: {{apikey: {SECRET}}}\n")
    url = f"file://{work.root}/shelf"
    done = work.tune("--popsize=2", "--round=1", "--seed=1", "--log_to=none", f"--store={url}/",
                     "--secrets=secret.yaml")  # fmt: skip
    assert done.code == 0, done.err
    assert "WARNING" not in done.out + done.err
    status = work.run("status", "result")
    assert f"store {url}: up to date, " in status.out
    told = work.run("status", "result", "--json")
    assert json.loads(told.out)["store"]["waiting"] == []
    shown = work.run("show", "result", "0", "--json")
    assert no_secret_in(work.root / "result", done.out, done.err, told.out, shown.out)
    assert no_secret_in(work.root / "shelf")

    pulled = work.run("pull", url, "back")
    assert pulled.code == 0, pulled.err
    assert "each verified" in pulled.out
    best = [json.loads(work.run("best", name, "--json").out) for name in ("result", "back")]
    assert best[0]["score"] == best[1]["score"]
    assert (work.root / "back/best_model/weights").read_text() == "3.0"
    assert (work.root / "back/report.html").stat().st_size > 10_000

    assert work.run("set", "back", "max_trials=3").code == 0
    more = work.run("resume", "back", "--gpu=0", "--store=")
    assert more.code == 0, more.err
    assert "3/3 done" in more.out
    again = work.run("pull", url, "back")
    assert again.code == 2
    assert "already holds a run" in again.err


@pytest.mark.long
def test_a_store_that_cannot_be_reached_fails_no_run(workplace: Workplace) -> None:
    (workplace.root / "shelf").write_text("in its way")
    done = workplace.tune("--popsize=2", "--round=1", "--seed=1", "--log_to=none",
                          f"--store=file://{workplace.root}/shelf", "--store_wait=0")  # fmt: skip
    assert done.code == 0, done.err
    told = [line for line in (done.out + done.err).splitlines() if line.startswith("WARNING")]
    assert "it is tried again while the run goes on" in told[0]
    assert "WARNING: not in the store" in told[1]
    assert "run.db" in told[1] or "more" in told[1]
    assert "not there yet: " in workplace.run("status", "result").out
    (workplace.root / "shelf").unlink()
    assert workplace.run("rebuild", "result").code == 0
    assert not (workplace.root / "shelf").exists()
    rebuilt = workplace.run("rebuild", "result", f"--store=file://{workplace.root}/shelf")
    assert rebuilt.code == 0, rebuilt.err
    assert "shelf: up to date, 7 files" in rebuilt.out
    assert "up to date" in workplace.run("status", "result").out


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (
            "http://b/x",
            "must begin with s3://, gs://, sftp://, file://, aistore:// and name a pla",
        ),
        ("s3://", "must begin with"),
        ("file://relative", "must be an absolute path"),
        ("sftp://me:hunter22@host/x", "must hold no password"),
        ("s3://b/../x", "must be a plain URL"),
        ("s3://b/x?y=1", "must be a plain URL"),
    ],
)
def test_a_url_that_is_none_is_told(workplace: Workplace, url: str, why: str) -> None:
    done = workplace.tune(f"--store={url}")
    assert done.code == 2
    assert why in done.err
    pulled = workplace.run("pull", url, "back")
    assert pulled.code == 2
    assert why in pulled.err


def test_a_folder_of_aistore_cannot_be_pulled(workplace: Workplace) -> None:
    done = workplace.run("pull", "aistore://x", "back")
    assert "is no store of files" in done.err


def test_secrets_that_cannot_be_read_are_told_before_the_run(workplace: Workplace) -> None:
    done = workplace.tune("--store=aistore://x", "--secrets=gone.yaml")
    assert done.code == 2
    assert "gone.yaml: No such file" in done.err
