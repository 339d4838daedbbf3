"""The trials of a run as a table: one row a trial, for CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autofinetune.library import Library
from autofinetune.run.recorded import Recorded
from autofinetune.run.records import trial_records
from autofinetune.space import as_text

PYARROW = Library("pyarrow", "15.0", "autofinetune[parquet]")
# The columns before the hyperparameters, which have the names of the fields of a trial's record.
COLUMNS: Mapping[str, type] = {
    "trial": int, "round": int, "member": int, "parent": int, "status": str, "reason": str,
    "score": float, "estimate": float, "rank": int, "mean_score": float, "slot": str,
    "attempts": int, "reports": int, "created_at": float, "started_at": float,
    "ended_at": float, "seconds": float, "model_state": str,
}  # fmt: skip
_MOST_INT = 2**63 - 1


def table_of(run: Recorded) -> tuple[list[str], list[list[Any]]]:
    """Return the names of the columns and a row for each trial, None where it has no value.

    A hyperparameter with the name of another column gets the prefix `hparam.`.
    """
    params = [parameter.name for parameter in run.config.space]
    names = [*COLUMNS, *(f"hparam.{name}" if name in COLUMNS else name for name in params)]
    rows = []
    for record in trial_records(run):
        counted = {"attempts": len(record["attempts"]), "reports": len(record["curve"])}
        values = {**record, **counted}
        own = [values[name] for name in COLUMNS]
        rows.append([*own, *(record["params"].get(name) for name in params)])
    return names, rows


def as_csv(run: Recorded) -> str:
    """Return the table as CSV; values are written so that they can be read back exactly."""
    names, rows = table_of(run)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if one is None else as_text(one) for one in row] for row in rows)
    return text.getvalue()


def as_parquet(run: Recorded) -> bytes:
    """Return the table as a Parquet file with typed columns.

    A hyperparameter with values of several types becomes text. Raise EnvironmentProblem if
    pyarrow is not installed.
    """
    PYARROW.check("writing Parquet")
    import pyarrow
    import pyarrow.parquet

    names, rows = table_of(run)
    kinds = {int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_(),
             str: pyarrow.string()}  # fmt: skip
    arrays = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        kind = COLUMNS[name] if place < len(COLUMNS) else _kind_of(values)
        arrays.append(pyarrow.array(list(_cast(values, kind)), type=kinds[kind]))
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, names=names), sink)
    return bytes(sink.getvalue().to_pybytes())


def _kind_of(values: Sequence[Any]) -> type:
    """Return the type of a column that holds all values exactly."""
    kinds = {type(one) for one in values if one is not None}
    if kinds == {int} and all(abs(one) <= _MOST_INT for one in values if one is not None):
        return int
    if kinds == {bool}:
        return bool
    return float if kinds and kinds <= {int, float} else str


def _cast(values: Sequence[Any], kind: type) -> Iterator[Any]:
    for one in values:
        if one is None:
            yield None
        elif kind is str:
            yield as_text(one).encode(errors="backslashreplace").decode()
        else:
            yield kind(one)
