"""`autofinetune report-final 0.93`: report a score from a trial in any language."""

from __future__ import annotations

from collections.abc import Sequence

from autofinetune.cli.options import Parser
from autofinetune.trial.report import report_final_result, report_intermediate_result


def report_final_command(argv: Sequence[str]) -> int:
    """Report the final score and return the exit code."""
    parser = Parser("report-final")
    parser.add_argument("score", type=float, help="the score of this trial")
    report_final_result(parser.parse_args(argv).score)
    return 0


def report_intermediate_command(argv: Sequence[str]) -> int:
    """Report an intermediate score and return the exit code."""
    parser = Parser("report-intermediate")
    parser.add_argument("score", type=float, help="the score so far")
    parser.add_argument("--step", type=int, help="the epoch or step")
    options = parser.parse_args(argv)
    report_intermediate_result(options.score, options.step)
    return 0
