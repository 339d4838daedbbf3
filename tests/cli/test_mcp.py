"""The commands as tools, driven by a client of the official SDK."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from autofinetune.cli import main
from autofinetune.cli.mcp import Tools
from tests.cli.conftest import HPARAM, TRAIN, Workplace

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "hparam.yaml").write_text(HPARAM)
    (tmp_path / "yaml.py").write_text("raise RuntimeError('a module of the user')")
    return tmp_path


def served(root: Path, talk: Callable[[Call], Awaitable[None]]) -> list[str]:
    """Start the server, let `talk` call tools, and return the names of the tools."""
    command = "import sys; from autofinetune.cli import main; sys.exit(main())"
    server = StdioServerParameters(
        command=sys.executable, args=["-c", command, "mcp", f"--root={root}"], env=dict(os.environ)
    )
    names: list[str] = []

    async def session() -> None:
        async with stdio_client(server) as streams, ClientSession(*streams) as client:
            await client.initialize()
            names.extend(tool.name for tool in (await client.list_tools()).tools)

            async def call(tool: str, **arguments: Any) -> Any:
                answer = await client.call_tool(tool, arguments)
                text = "".join(getattr(part, "text", "") for part in answer.content)
                if getattr(answer, "is_error", getattr(answer, "isError", False)):
                    raise RuntimeError(text)
                found = getattr(
                    answer, "structured_content", getattr(answer, "structuredContent", None)
                )
                assert found is not None, text
                return found["result"] if set(found) == {"result"} else found

            await talk(call)

    anyio.run(session)
    return names


def test_an_agent_tunes_a_script(root: Path) -> None:
    async def talk(call: Call) -> None:
        draft = await call("draft_space", script="train.py")
        assert "name: lr" in draft["hparam_yaml"]
        run = await call(
            "start_run",
            script="train.py",
            param_file="hparam.yaml",
            gpu="cpu:1",
            output_dir="result",
            options={"max_trials": 3, "seed": 1, "popsize": 1},
            script_args=["--epochs=1"],
        )
        assert run["state"] in ("RUNNING", "DONE")
        queued = await call(
            "enqueue", output_dir="result", hyperparameters={"lr": 0.01, "units": 40}
        )
        assert queued["event"] == "ConfigurationsEnqueued"
        changed = await call("set_options", output_dir="result", options={"max_trials": 4})
        assert changed["options"]["max_trials"] == 4
        while (run := await call("wait_for_change", output_dir="result"))["state"] == "RUNNING":
            assert run["max_trials"] == 4
        if run["counts"]["COMPLETED"] < 4:  # it had ended before the change
            await call("resume_run", output_dir="result")
            while run["counts"]["COMPLETED"] < 4:
                run = await call("wait_for_change", output_dir="result")
        assert (await call("stop", output_dir="result"))["state"] == "DONE"
        best = await call("best", output_dir="result")
        assert best["score"] == 1.0
        assert best["params"] == {"lr": 0.01, "units": 40}
        assert [one["output_dir"] for one in await call("list_runs")] == [str(root / "result")]
        trials = await call("trials", output_dir="result", count=2)
        assert [one["trial"] for one in trials] == [2, 3]
        trial = await call("trial", output_dir="result", trial=best["trial"])
        assert trial["status"] == "COMPLETED"
        log = await call("log", output_dir="result", trial=0, lines=1)
        assert "epochs 1" in log

    names = served(root, talk)
    assert {tool.__name__ for tool in Tools(root).all()} == set(names)


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("status", {"output_dir": "../elsewhere"}, "is outside of"),
        ("status", {"output_dir": "link"}, "is outside of"),
        ("status", {"output_dir": "nothing"}, "holds no run"),
        ("log", {"output_dir": "nothing", "trial": 0}, "holds no run"),
        ("draft_space", {"script": "/etc/hostname"}, "is outside of"),
    ],
)
def test_errors_are_answers(
    root: Path, tool: str, arguments: dict[str, Any], expected: str
) -> None:
    (root / "link").symlink_to("/")

    async def talk(call: Call) -> None:
        with pytest.raises(RuntimeError, match=expected):
            await call(tool, **arguments)

    served(root, talk)


@pytest.mark.parametrize("name", ["on_end", "executor", "volume", "no_such", "detach"])
def test_some_options_cannot_be_set(root: Path, name: str) -> None:
    async def ask() -> None:
        await Tools(root).start_run("train.py", "hparam.yaml", "cpu", "out", {name: "touch x"})

    with pytest.raises(Exception, match=f"option '{name}' cannot be set here"):
        anyio.run(ask)
    assert not (root / "out").exists()


def test_files_named_by_options_are_inside(root: Path) -> None:
    async def ask() -> None:
        options: Any = {"warm_start": "../other"}
        await Tools(root).start_run("train.py", "hparam.yaml", "cpu", "out", options)

    with pytest.raises(Exception, match="is outside of"):
        anyio.run(ask)


def test_the_root_is_a_directory(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", f"--root={root}/train.py"]) == 2
    assert "is no directory" in capsys.readouterr().err


def test_without_the_sdk_one_sentence_says_what_to_install(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert main(["mcp", f"--root={root}"]) == 4
    assert "pip install 'autofinetune[mcp]'" in capsys.readouterr().err


def test_status_waits_for_a_change(workplace: Workplace) -> None:
    done = workplace.run("train.py", "--param_file=hparam.yaml", "--gpu=cpu", "--max_trials=1",
                         "--output_dir=result")  # fmt: skip
    assert done.code == 0
    found = workplace.run("status", "result", "--json", "--wait=60")  # at once: it has ended
    assert json.loads(found.out)["state"] == "DONE"
    wrong = workplace.run("status", "result", "--wait=soon")
    assert wrong.code == 2
    assert "--wait='soon' is not a number of seconds" in wrong.err
