"""Models of many files, and models that are mostly holes: F75 and F76."""
# ruff: noqa: N802

from __future__ import annotations

from tests.faults.harness import FaultRun, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_daemon_death import with_plugin
from tests.faults.test_processes import AT_ONCE_S, SLACK_S, interrupted_thrice
from tests.faults.test_trial_behaviour import write_script

STUCK = """
import os, sys, time
if "autofinetune" in sys.orig_argv and os.path.exists("stuck"):
    from autofinetune.store import copying
    def copy_file(source, target, copy=copying._copy_file):
        copy(source, target)
        open("copying", "w").close()
        time.sleep(1000)
    copying._copy_file = copy_file
"""
MODEL = """
for number in range(500):
    with open(os.path.join(MODEL, f"part{number}"), "w") as file:
        file.write(f"{number} of {TRIAL}")
finish(0.5 + TRIAL)
"""


RUN = {"popsize": 1, "rounds": 1, "gpu": "0", "options": ()}


def test_F75_the_third_ctrl_c_ends_a_copy_that_takes_long(run: FaultRun) -> None:
    """What there is of the copy is no best_model, and the next life makes it whole."""
    write_script(run, MODEL)
    with_plugin(run, STUCK)
    run.release("stuck")
    life = run.start_fresh()
    wait_until((run.root / "copying").exists)
    assert interrupted_thrice(run, life) < AT_ONCE_S + SLACK_S
    assert not run.paths.best_model.exists()
    assert check_invariants(run.output_dir, run.ledger, is_over=False) == []
    (run.root / "stuck").unlink()
    assert run.start_fresh("resume", run.out).wait() == 0, run.console
    assert check_invariants(run.output_dir, run.ledger, code=0) == []
    assert len(list(run.paths.best_model.iterdir())) == 500


def test_F76_a_sparse_model_takes_little_space(run: FaultRun) -> None:
    write_script(
        run,
        """
        with open(os.path.join(MODEL, "weights"), "wb") as file:
            file.write(b"w" * 4096)
            file.truncate(1 << 28)
        finish(0.5)
        """,
    )
    assert run.finish() == 0, run.console
    assert check_invariants(run.output_dir, run.ledger, code=0) == []
    copy = (run.paths.best_model / "weights").stat()
    assert copy.st_size == 1 << 28
    assert copy.st_blocks * 512 <= 1 << 20
