"""`autofinetune enqueue`, `import` and `note`: give a run something, also while it is running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.cli.steer import show, steering_parser
from autofinetune.core.events import ConfigurationsEnqueued, TrialsImported
from autofinetune.errors import UsageError, did_you_mean
from autofinetune.run.directories import existing_run, known_config
from autofinetune.run.prior import configuration, read_enqueued, read_trials
from autofinetune.run.requests import ENQUEUE, IMPORT, NOTE, new_request
from autofinetune.run.steering import Done, steer
from autofinetune.space import Space

_MOST_NOTE = 10_000  # characters


def enqueue_command(argv: Sequence[str]) -> int:
    """Enqueue configurations and return the exit code."""
    parser = steering_parser(
        "enqueue",
        "Try configurations next. A hyperparameter that is not given gets its initial value.",
    )
    parser.add_argument("values", nargs="*", metavar="NAME=VALUE",
                        help="hyperparameters, such as lr=0.1")  # fmt: skip
    parser.add_argument("--file", metavar="CSV",
                        help="configurations, with a column for each hyperparameter")  # fmt: skip
    options = parser.parse_intermixed_args(argv)
    if bool(options.values) == bool(options.file):
        tip = f"for example: autofinetune enqueue {options.output_dir} lr=0.1 units=32"
        raise UsageError("give either NAME=VALUE words or --file", tip)
    with existing_run(options.output_dir) as paths:
        space = known_config(paths).space
    if options.file:
        found = read_enqueued(Path(options.file), space, "file")
    else:
        found = [configuration(_named(options.values, space), space)]
    done = _ask(options.output_dir, ENQUEUE, configurations=list(map(dict, found)))
    count = 0
    if isinstance(done.event, ConfigurationsEnqueued):
        count = len(done.event.configurations)
    what = f"{count} configuration{'s' if count != 1 else ''}"
    show(done, f"{what} will be tried next{_when(done)}", is_json=options.json)
    return 0


def import_command(argv: Sequence[str]) -> int:
    """Import trials and return the exit code."""
    parser = steering_parser(
        "import",
        "Let the search of a run learn from trials of elsewhere, as --warm_start does. The first "
        "line of the file names hyperparameters and `score`; an empty score is that of a failed "
        "trial.",
        first="file",
    )
    options = parser.parse_args(argv)
    with existing_run(options.output_dir) as paths:
        config = known_config(paths)
    file = Path(options.file)
    known = read_trials(file, config.space, config.direction)
    trials = [{"params": dict(one.params), "merit": one.merit} for one in known]
    done = _ask(options.output_dir, IMPORT, source=file.name, trials=trials)
    count = len(done.event.trials) if isinstance(done.event, TrialsImported) else 0
    what = f"{count} trial{'s' if count != 1 else ''}"
    show(done, f"the search learns from {what} of {file.name}{_when(done)}", is_json=options.json)
    return 0


def note_command(argv: Sequence[str]) -> int:
    """Add a note to a trial and return the exit code."""
    parser = steering_parser("note", "Add a note to a trial; `autofinetune show` prints it.")
    parser.add_argument("trial", type=int, help="its number in trials.csv")
    parser.add_argument("text", help="the note, one line")
    options = parser.parse_args(argv)
    if not options.text.strip() or len(options.text) > _MOST_NOTE:
        raise UsageError(f"a note has 1 to {_MOST_NOTE} characters", "shorten it")
    done = _ask(options.output_dir, NOTE, trial=options.trial, text=options.text)
    show(done, f"noted on trial {options.trial}", is_json=options.json)
    return 0


def _ask(directory: str, kind: str, **fields: Any) -> Done:
    return steer(Path(directory), new_request(kind, **fields))


def _when(done: Done) -> str:
    return "" if done.by_tuner else " once the run goes on"


def _named(words: Sequence[str], space: Space) -> Mapping[str, str]:
    """Return NAME=VALUE words as a mapping; each must name a hyperparameter."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.removeprefix("--")
        if not (equals and value):
            raise UsageError(f"{word!r:.100} is not of the form NAME=VALUE", "for example lr=0.1")
        if name not in [parameter.name for parameter in space]:
            raise UsageError(
                f"{name!r:.100} is no hyperparameter of this run{did_you_mean(name, space.names)}",
                f"its hyperparameters: {', '.join(space.names)}",
            )
        found[name] = value
    return found
