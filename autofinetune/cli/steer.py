"""`autofinetune stop`, `pause` and `set`: steer a run, also while it is running."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.cli.options import Parser
from autofinetune.config.options import OPTIONS
from autofinetune.core.events import OptionsChanged, encode_event
from autofinetune.core.fields import CHANGEABLE
from autofinetune.errors import UsageError, did_you_mean
from autofinetune.run.directories import existing_run
from autofinetune.run.overview import overview_of
from autofinetune.run.records import as_json, status_record
from autofinetune.run.requests import PAUSE, SET, STOP, new_request
from autofinetune.run.steering import Done, NotRunning, steer, wait_for_end
from autofinetune.space import as_text
from autofinetune.store.standing import read_standing
from autofinetune.terminal import tell


def stop_command(argv: Sequence[str]) -> int:
    """Stop a run, wait until its tuner has ended, and return the exit code."""
    parser = steering_parser(
        "stop",
        "Stop a run: no further trials start, and running ones finish. A run that is not running "
        "stays as it is (exit code 0).",
    )
    parser.add_argument("--now", action="store_true",
                        help="end running trials; given once more, kill them")  # fmt: skip
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the tuner to end")
    options = parser.parse_args(argv)
    directory = Path(options.output_dir)
    try:
        steer(directory, new_request(STOP, now=options.now))
    except NotRunning as error:
        if not options.json:
            print(error.message)
            return 0
    else:
        if not options.no_wait:
            wait_for_end(directory)
    with existing_run(directory) as paths:
        found, stored = overview_of(paths), read_standing(paths)
    if options.json:
        print(as_json(status_record(found, stored)))
    elif options.no_wait:
        print(f"stopping {directory}; to look: autofinetune status {directory}")
    else:
        print(f"{found.state.value}: {found.reason}. To continue: autofinetune resume {directory}")
    return 0


def pause_command(argv: Sequence[str]) -> int:
    """Pause a running run and return the exit code."""
    parser = steering_parser(
        "pause",
        "Start no further trials; running ones finish, and the tuner stays. To continue: "
        "autofinetune resume.",
    )
    options = parser.parse_args(argv)
    done = steer(Path(options.output_dir), new_request(PAUSE))
    was = "is already paused" if done.event is None else "is paused"
    show(done, f"{options.output_dir} {was}; to continue: autofinetune resume "
               f"{options.output_dir}", is_json=options.json)  # fmt: skip
    return 0


def set_command(argv: Sequence[str]) -> int:
    """Change options of a run and return the exit code."""
    parser = steering_parser(
        "set",
        "Change options of a run, now if it is running, else from the next `autofinetune resume` "
        f"on: {', '.join(CHANGEABLE)}.",
    )
    parser.add_argument("values", nargs="+", metavar="KEY=VALUE",
                        help="such as max_trials=200; trial_timeout=none: no limit")  # fmt: skip
    options = parser.parse_intermixed_args(argv)
    request = new_request(SET, options=dict(map(_value, options.values)))
    done = steer(Path(options.output_dir), request)
    if isinstance(done.event, OptionsChanged):
        values = ", ".join(f"{key}={as_text(value)}" for key, value in done.event.options.items())
        since = "from now on" if done.by_tuner else "once the run goes on"
        text = f"{values} {since}"
    else:
        text = "nothing to change"
    show(done, text, is_json=options.json)
    return 0


def _value(word: str) -> tuple[str, str | None]:
    name, equals, value = word.partition("=")
    name = name.removeprefix("--").replace("-", "_")
    if not equals:
        raise UsageError(f"{word!r:.100} is not of the form KEY=VALUE", f"for example {name}=2")
    if name not in CHANGEABLE:
        what = "cannot be changed after the start" if name in OPTIONS else "is no option"
        raise UsageError(
            f"{name!r:.100} {what}{did_you_mean(name, CHANGEABLE)}",
            f"these can be changed: {', '.join(CHANGEABLE)}",
        )
    is_unset = value.lower() == "none" and OPTIONS[name].default is None and name != "gpu"
    return name, None if is_unset else value


def steering_parser(command: str, description: str, *, first: str = "") -> Parser:
    """Return a parser for a command about the run in a directory, after the argument `first`."""
    parser = Parser(command, description=description)
    if first:
        parser.add_argument(first)
    parser.add_argument("output_dir", help="the directory of the run")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    return parser


def show(done: Done, text: str, *, is_json: bool) -> None:
    """Print what came of a request."""
    if not is_json:
        tell(text)
        return
    told: Mapping[str, Any] = {}
    kind = None
    if done.event is not None:
        kind, body = encode_event(done.event)
        told = {k: v for k, v in json.loads(body).items() if k not in ("at", "request")}
    print(as_json({"event": kind, "by_tuner": done.by_tuner, **told}))
