"""How a training script tells its score. Standard library only: this is what train.py imports.

A report is one JSON line appended to the file named by AUTOFINETUNE_REPORT_FILE, and on disk when
the function returns. Any language can write the same lines:

    {"final": 0.93}
    {"intermediate": 0.71, "step": 3}

A run may ask a trial to end early: then the file named by AUTOFINETUNE_STOP_FILE exists.

Several final reports are allowed, the last finite one counts. Lines that are not such an object
are ignored by the reader, which is why every record starts with a line break: a line torn by a
full disk or a kill cannot swallow the next one.
"""

from __future__ import annotations

import os
import sys
import time

REPORT_FILE_VARIABLE = "AUTOFINETUNE_REPORT_FILE"
STOP_FILE_VARIABLE = "AUTOFINETUNE_STOP_FILE"
_MOVED_VARIABLE = "AUTOFINETUNE_ATTEMPT_DIR"
PARAMS_VARIABLE = "AUTOFINETUNE_PARAMS"
PARAMS_FILE_VARIABLE = "AUTOFINETUNE_PARAMS_FILE"  # instead, where they are too long for it
RANKS = ("RANK", "PADDLE_TRAINER_ID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "AUTOFINETUNE_RANK")


def report_final_result(score: float) -> None:
    """Report the score of this trial; higher is better unless the run says `--direction=minimize`.

    Args:
        score: any real number, a numpy scalar, an array or a tensor of one element. Usually within
            (-inf, 1]. NaN and infinities are recorded and end the trial as failed with reason
            `nan`.

    Raises:
        TypeError: `score` is not one number.
        OSError: the report could not be written to disk; on a full one it waits for space.
    """
    _report("final", score, None)


def report_intermediate_result(score: float, step: int | None = None) -> None:
    """Report a score on the way, for instance after each epoch; it is stored with the trial.

    Args:
        score: as for `report_final_result`.
        step: the epoch or step, any integer >= 0; counted from 0 when left out.

    Raises:
        TypeError: `score` is not one number, or `step` is not an integer.
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
    """Report a value that a library logged, which may be one of very many.

    Unlike the reports of a script it is not forced to disk: it survives the end of the process,
    but not a power cut, which the trial does not survive either.
    """
    path = os.environ.get(REPORT_FILE_VARIABLE)
    if path and path != os.devnull and _rank() == 0:
        _append_when_there_is_space(path, as_line("intermediate", score, step), is_durable=False)


def should_stop() -> bool:
    """Whether this trial is asked to end early; it is ended by force a little later.

    Cheap enough for every batch: one look for a file. False outside of a run. Save what is worth
    it and leave the training loop; the last intermediate result is the trial's score.
    """
    path = os.environ.get(STOP_FILE_VARIABLE)
    return path is not None and os.path.exists(path)


def _report(kind: str, score: float, step: int | None) -> None:
    value = as_score(kind, score)
    path = os.environ.get(REPORT_FILE_VARIABLE)
    if path and (path == os.devnull or _rank() != 0):
        return  # one report a trial, however many processes it has
    if not path:
        import logging

        logging.getLogger("autofinetune").warning(
            "%s result %r (not inside a run, so it is not recorded)", kind, value
        )
        return
    _append_when_there_is_space(path, as_line(kind, value, step))


def as_score(kind: str, score: object) -> float:
    """The number in a report of one kind, `final` or `intermediate`; raises TypeError."""
    try:
        if getattr(score, "shape", ()) != ():  # numpy makes no float of an array, even of one
            score = score.item()  # type: ignore[attr-defined]
        return float(score)  # type: ignore[arg-type]
    except Exception as error:  # what a foreign class raises is its own: torch a RuntimeError
        raise TypeError(
            f"report_{kind}_result needs one number such as 0.93, got {_short(score)} "
            f"of type {type(score).__name__}"
        ) from error


def _rank() -> int:
    """Which process of a distributed trial this is, by the variables of the usual launchers."""
    for name in RANKS:
        value = os.environ.get(name, "")
        if value.isascii() and value.isdigit():
            return int(value)
    return 0


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # an int of more than 4300 digits, or a class of the script's own
        return "a value"
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_line(kind: str, value: float, step: int | None) -> bytes:
    """Return a report as it stands in the file, with a line break before it."""
    import json

    # JSON has no NaN: a non-finite score travels as a string, and float() reads it back.
    number = value if value - value == 0.0 else repr(value)
    record: dict[str, object] = {kind: number, "time": time.time()}
    if step is not None:
        record["step"] = step
    return b"\n" + json.dumps(record).encode("ascii") + b"\n"


def _append_when_there_is_space(path: str, line: bytes, *, is_durable: bool = True) -> None:
    """A full disk must not cost a trained result: wait for space, and say so once."""
    is_told = False
    while True:
        try:
            return _append(path, line, is_durable=is_durable)
        except OSError as error:
            if error.errno not in (28, 122):  # ENOSPC, EDQUOT
                raise
            if not is_told:
                is_told = True
                print(f"autofinetune: the report waits for space: {error}", file=sys.stderr)
            time.sleep(1.0)


def _append(path: str, line: bytes, *, is_durable: bool) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:  # the output directory was moved: its runner has it open
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
