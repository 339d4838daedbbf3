"""`autofinetune mcp`: the commands as tools for an agent, over standard input and output.

A tool runs the command of the same meaning with `--json` and returns what that prints, so the
records are those of docs/json.md. Every path that an agent names must be in one directory.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autofinetune.cli.options import Parser
from autofinetune.config.options import OPTIONS
from autofinetune.errors import UsageError
from autofinetune.library import Library

MCP = Library("mcp", "1.9", "autofinetune[mcp]")
INSTRUCTIONS = """\
Tunes the hyperparameters of a training script. First draft_space, then start_run, then
wait_for_change until the run has ended; best returns the hyperparameters and the command that
trains the best model again. Paths are relative to the directory that was given to the server."""
# Modules in the directory of the scripts are not ours.
_COMMAND = "import sys; del sys.path[0]; from autofinetune.cli import main; sys.exit(main())"
LONGEST_WAIT_S = 600.0
MOST_LINES = 1000
# The options of a run that name files, and those that an agent may not set: they run commands,
# lead out of the directory, or change how the tuner itself starts.
_PATHS = ("enqueue", "param_file", "warm_start", "working_dir")
_FORBIDDEN = (
    "on_end",
    "on_best",
    "executor",
    "sbatch",
    "resources",
    "ray_python",
    "lease_dir",
    "volume",
    "detach",
    "dry_run",
    "plain",
)


def mcp_command(argv: Sequence[str]) -> int:
    """Serve the tools until standard input ends and return the exit code."""
    parser = Parser("mcp", description="Serve the commands as tools for an agent (Model Context "
                    "Protocol) over standard input and output.")  # fmt: skip
    parser.add_argument(
        "--root",
        metavar="DIR",
        default=".",
        help="the only directory whose scripts and runs the agent may use (default: this one)",
    )
    options = parser.parse_args(argv)
    root = Path(options.root).resolve()
    if not root.is_dir():
        raise UsageError(f"{options.root} is no directory", "give the directory of your scripts")
    _server(Tools(root)).run()
    return 0


def _server(tools: Tools) -> Any:
    """Return the server; its class has another name in version 1 of the SDK."""
    MCP.check("autofinetune mcp")
    try:
        from mcp.server.mcpserver import MCPServer as Server
    except ImportError:
        from mcp.server.fastmcp import FastMCP as Server  # type: ignore[attr-defined,no-redef]
    server = Server("autofinetune", instructions=INSTRUCTIONS)
    for tool in tools.all():
        server.tool()(tool)
    return server


class Tools:
    """What an agent can do in one directory; every method is a tool and raises for an error."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def all(self) -> list[Any]:
        return [
            self.draft_space, self.start_run, self.resume_run, self.list_runs, self.status,
            self.wait_for_change, self.trials, self.trial, self.log, self.best, self.enqueue,
            self.set_options, self.pause, self.stop,
        ]  # fmt: skip

    async def draft_space(self, script: str) -> dict[str, Any]:
        """Draft the search space of a training script from its options, as the text of an
        hparam.yaml, and the command to start; nothing is written."""
        done = await self._run("init", self._inside(script), "--print")
        return {"hparam_yaml": done.out, "told": done.err}

    async def start_run(
        self,
        script: str,
        param_file: str,
        gpu: str,
        output_dir: str,
        options: dict[str, str | int | float | bool] | None = None,
        script_args: list[str] | None = None,
    ) -> dict[str, Any]:
        """Start tuning a script in the background and return the state of the run.

        `gpu` is the cards, such as "0,1", or "cpu:2". `options` are those of the command line
        without dashes, such as {"max_trials": 50, "metric": "val_acc", "direction": "minimize"}.
        `script_args` go to the script as they are.
        """
        words = [
            f"--param_file={self._inside(param_file)}",
            f"--gpu={gpu}",
            f"--output_dir={self._inside(output_dir)}",
            "--detach",
            *self._options(options or {}),
        ]
        rest = ["--", *script_args] if script_args else []
        await self._run("run", *words, self._inside(script), *rest)
        return await self.status(output_dir)

    async def resume_run(self, output_dir: str) -> dict[str, Any]:
        """Continue a run that was stopped or paused, in the background; return its state."""
        await self._run("resume", self._inside(output_dir), "--detach")
        return await self.status(output_dir)

    async def list_runs(self, directory: str = ".") -> list[dict[str, Any]]:
        """Return all runs below a directory, with state, trials and best score of each."""
        found = await self._json("ls", self._inside(directory), "--json")
        return list(found)

    async def status(self, output_dir: str) -> dict[str, Any]:
        """Return the state of a run: counts of trials, the best one, and the running ones."""
        return dict(await self._json("status", self._inside(output_dir), "--json"))

    async def wait_for_change(self, output_dir: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Wait until a trial ends or the run does, at most 600 s; return the state of the run."""
        wait = f"--wait={min(max(0.0, timeout_s), LONGEST_WAIT_S):g}"
        return dict(await self._json("status", self._inside(output_dir), "--json", wait))

    async def trials(self, output_dir: str, count: int = 20) -> list[dict[str, Any]]:
        """Return the newest trials with their hyperparameters, scores and reasons."""
        rows = await self._json("export", self._inside(output_dir), "--format=json")
        return list(rows)[-max(1, count) :]

    async def trial(self, output_dir: str, trial: int) -> dict[str, Any]:
        """Return everything about one trial, including its learning curve and attempts."""
        return dict(await self._json("show", self._inside(output_dir), str(trial), "--json"))

    async def log(self, output_dir: str, trial: int, lines: int = 100) -> str:
        """Return the last lines that a trial printed, at most 1,000."""
        count = min(max(1, lines), MOST_LINES)
        done = await self._run("logs", self._inside(output_dir), str(trial), "-n", str(count))
        return done.out

    async def best(self, output_dir: str) -> dict[str, Any]:
        """Return the best trial, its model, and the command that trains it again."""
        return dict(await self._json("best", self._inside(output_dir), "--json"))

    async def enqueue(
        self, output_dir: str, hyperparameters: dict[str, str | int | float | bool]
    ) -> dict[str, Any]:
        """Have a configuration tried next; what is not given gets its initial value."""
        pairs = [f"{name}={_word(value)}" for name, value in hyperparameters.items()]
        words = ("enqueue", self._inside(output_dir), "--json", *pairs)
        return dict(await self._json(*words))

    async def set_options(
        self, output_dir: str, options: dict[str, str | int | float]
    ) -> dict[str, Any]:
        """Change gpu, max_trials, round, trial_timeout or max_parallel, also while it runs."""
        pairs = [f"{name}={_word(value)}" for name, value in options.items()]
        return dict(await self._json("set", self._inside(output_dir), "--json", *pairs))

    async def pause(self, output_dir: str) -> dict[str, Any]:
        """Start no further trials until resume_run; running ones finish."""
        return dict(await self._json("pause", self._inside(output_dir), "--json"))

    async def stop(self, output_dir: str, now: bool = False) -> dict[str, Any]:
        """Stop a run: running trials finish, or are ended with `now`; return its state."""
        words = ["stop", self._inside(output_dir), "--json", *(["--now"] if now else [])]
        return dict(await self._json(*words))

    # --- how ------------------------------------------------------------------------------------

    def _inside(self, path: str) -> str:
        """Return a path in the directory of the server; links in it must not lead outside."""
        found = Path(os.path.realpath(self._root / path))
        if not found.is_relative_to(self._root):
            raise _error(f"{path!r:.200} is outside of {self._root}; name a path inside of it")
        return str(found)

    def _options(self, options: Mapping[str, Any]) -> list[str]:
        words = []
        for name, value in options.items():
            if name not in OPTIONS or name in _FORBIDDEN:
                known = ", ".join(one for one in OPTIONS if one not in _FORBIDDEN)
                raise _error(f"option {name!r:.100} cannot be set here; allowed: {known}")
            if name in _PATHS:
                value = ",".join(self._inside(one) for one in str(value).split(","))
            if OPTIONS[name].metavar:
                words.append(f"--{name}={_word(value)}")
            elif value:
                words.append(f"--{name}")
        return words

    async def _json(self, *words: str) -> Any:
        return json.loads((await self._run(*words)).out)

    async def _run(self, *words: str) -> Output:
        """Run a command; raise its error, with the tip, if it fails."""
        import anyio

        done = await anyio.run_process(
            [sys.executable, "-c", _COMMAND, *words],
            input=b"",
            check=False,
            cwd=self._root,
        )
        found = Output(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if done.returncode:
            raise _error(found.err.strip() or found.out.strip())
        return found


class Output(NamedTuple):
    """What a command printed."""

    out: str
    err: str


def _error(text: str) -> Exception:
    """Return the error that the SDK passes on as the answer of a tool."""
    try:
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError:
        from mcp.server.fastmcp.exceptions import ToolError  # type: ignore[import-not-found,no-redef]
    return ToolError(text)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
