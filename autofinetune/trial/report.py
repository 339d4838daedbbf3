"""Functions by which train.py reports its score; they need only the standard library.

A report is one JSON line appended to the file named by AUTOFINETUNE_REPORT_FILE; it is on disk
when the function returns. Programs in any language can write the same lines:

    {"final": 0.93}
    {"intermediate": 0.71, "step": 3}

To ask a trial to stop early, a run creates the file named by AUTOFINETUNE_STOP_FILE.

Several final reports are allowed; the last finite one counts. The reader ignores all other lines.
Every record starts with a line break, so that a line cut short by a full disk or a kill does not
spoil the next one.
"""

from __future__ import annotations

import os
import sys
import time

REPORT_FILE_VARIABLE = "AUTOFINETUNE_REPORT_FILE"
STOP_FILE_VARIABLE = "AUTOFINETUNE_STOP_FILE"
_MOVED_VARIABLE = "AUTOFINETUNE_ATTEMPT_DIR"
PARAMS_VARIABLE = "AUTOFINETUNE_PARAMS"
PARAMS_FILE_VARIABLE = "AUTOFINETUNE_PARAMS_FILE"  # set instead if they are too long for it
RANKS = ("RANK", "PADDLE_TRAINER_ID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "AUTOFINETUNE_RANK")


def report_final_result(score: float) -> None:
    """Report the score of this trial; higher is better unless the run has `--direction=minimize`.

    Args:
        score: any real number, a numpy scalar, or an array or tensor of one element; usually
            within (-inf, 1]. NaN and infinities are recorded, and the trial fails with reason
            `nan`.

    Raises:
        TypeError: `score` is not a single number.
        OSError: the report could not be written; on a full disk, the call waits for space instead.
    """
    _report("final", score, None)


def report_intermediate_result(score: float, step: int | None = None) -> None:
    """Report an intermediate score, for instance after each epoch; it is stored with the trial.

    Args:
        score: as for `report_final_result`.
        step: the epoch or step, any integer >= 0; counted from 0 if omitted.

    Raises:
        TypeError: `score` is not a single number, or `step` is not an integer.
        OSError: the report could not be written to disk.
    """
    if step is not None:
        try:
            whole = int(step)
        except (TypeError, ValueError, OverflowError):
            whole = None
        if whole is None or whole != step:
            raise TypeError(f"step must be an integer, got {_short(step)}")
        step = whole
    _report("intermediate", score, step)


def report_logged(score: float, step: int) -> None:
    """Report a value that a library logged, possibly one of many.

    Unlike a script's own reports, it is not forced to disk: it survives the end of the process,
    but not a power cut, which ends the trial anyway.
    """
    path = os.environ.get(REPORT_FILE_VARIABLE)
    if path and path != os.devnull and _rank() == 0:
        _append_when_there_is_space(path, as_line("intermediate", score, step), is_durable=False)


def should_stop() -> bool:
    """Return whether this trial should stop early; always False outside a run.

    If True, save what you need and leave the training loop: the trial is killed a little later.
    The last intermediate result is then its score. The call only checks for a file, which is cheap
    enough for every batch.
    """
    path = os.environ.get(STOP_FILE_VARIABLE)
    return path is not None and os.path.exists(path)


def _report(kind: str, score: float, step: int | None) -> None:
    value = as_score(kind, score)
    path = os.environ.get(REPORT_FILE_VARIABLE)
    if path and (path == os.devnull or _rank() != 0):
        return  # only rank 0 reports
    if not path:
        import logging

        logging.getLogger("autofinetune").warning(
            "%s result %r (not inside a run, so it is not recorded)", kind, value
        )
        return
    _append_when_there_is_space(path, as_line(kind, value, step))


def params_text() -> str | None:
    """Return this trial's hyperparameters as JSON text, or None outside a run."""
    path = os.environ.get(PARAMS_FILE_VARIABLE)
    if path:
        with open(path, encoding="ascii") as file:
            return file.read()
    return os.environ.get(PARAMS_VARIABLE) or None


def as_score(kind: str, score: object) -> float:
    """Convert the score of a `final` or `intermediate` report to a float, or raise TypeError."""
    try:
        if getattr(score, "shape", ()) != ():  # numpy converts only scalars to float
            score = score.item()  # type: ignore[attr-defined]
        return float(score)  # type: ignore[arg-type]
    except Exception as error:  # other classes raise what they like, torch a RuntimeError
        raise TypeError(
            f"report_{kind}_result needs one number such as 0.93, got {_short(score)} "
            f"of type {type(score).__name__}"
        ) from error


def _rank() -> int:
    """Return the rank of this process, from the variables of the usual launchers."""
    for name in RANKS:
        value = os.environ.get(name, "")
        if value.isascii() and value.isdigit():
            return int(value)
    return 0


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # an int of more than 4300 digits, or a class of the script's
        return "a value"
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_line(kind: str, value: float, step: int | None) -> bytes:
    """Return a report as written to the file, with a line break before it."""
    import json

    # JSON has no NaN: a non-finite score is written as a string, which float() can read.
    number = value if value - value == 0.0 else repr(value)
    record: dict[str, object] = {kind: number, "time": time.time()}
    if step is not None:
        record["step"] = step
    return b"\n" + json.dumps(record).encode("ascii") + b"\n"


def _append_when_there_is_space(path: str, line: bytes, *, is_durable: bool = True) -> None:
    """Append a line; if the disk is full, wait for space and say so once, to lose no result."""
    is_told = False
    while True:
        try:
            return _append(path, line, is_durable=is_durable)
        except OSError as error:
            if error.errno not in (28, 122):  # ENOSPC, EDQUOT
                raise
            if not is_told:
                is_told = True
                print(f"autofinetune: the report waits for disk space: {error}", file=sys.stderr)
            time.sleep(1.0)


def _append(path: str, line: bytes, *, is_durable: bool) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:  # the output directory was moved, but its runner has it open
        moved = os.environ.get(_MOVED_VARIABLE)
        if not moved:
            raise
        descriptor = os.open(os.path.join(moved, os.path.basename(path)), flags, 0o600)
    try:
        written = os.write(descriptor, line)
        if written != len(line):
            raise OSError(28, "the report was cut short: no space left on device", path)
        if is_durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
