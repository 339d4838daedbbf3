"""What holds for runs on every executor: this machine, Slurm, Ray.

Trials write a ledger outside of the run; `check_invariants` compares the two.
"""

from __future__ import annotations

from autofinetune.core.events import AttemptStarted
from tests.cluster.conftest import Engine
from tests.cluster.runs import PATIENCE_S, begun, events_of, is_whole, lost, until
from tests.faults.oracle import check_invariants


def test_a_killed_tuner_adopts_its_trials(engine: Engine) -> None:
    run = engine.new_run("--max_parallel=4")
    life = run.start()
    begun(run, 4)
    run.kill(life)
    life = run.start()  # in the same directory
    until(lambda: "RunResumed" in events_of(run))
    is_whole(run, life)
    assert sorted(line.trial for line in run.lines("start")) == list(range(8))
    assert lost(run) == []
    nodes = {e.node for e in run.events() if isinstance(e, AttemptStarted)}
    assert nodes == engine.nodes
    for trial in run.state().trials.values():
        model = run.paths.model(trial.round, trial.member) / "weights"
        assert model.read_text().startswith(f"trial {trial.id} attempt 1\n")
    assert run.survivors() == []


def test_cancelled_trials_leave_nothing(engine: Engine) -> None:
    run = engine.new_run(rounds=1, popsize=2)
    run.plan({"*": {"hold": str(run.root / "never"), "tree": True, "deaf": True}})
    life = run.start()
    until(lambda: len(run.lines("child")) == 6)
    assert run.finish("stop", "result", "--now") == 0
    assert life.wait(PATIENCE_S) == 130
    assert check_invariants(run.output_dir, run.ledger, code=130) == []
    assert lost(run) == ["interrupted"] * 2
    assert run.survivors() == []
