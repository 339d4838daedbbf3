"""The search of a run: the strategy that its configuration asks for, with what is wrapped around.

Who proposes candidates depends on three options: `--tuning_strategy` itself, `--repeats`, and
`--exploit` where the evaluator continues models.
"""

from __future__ import annotations

from autofinetune.config.config import Config
from autofinetune.errors import Mistake, UsageError
from autofinetune.evaluators import EVALUATORS
from autofinetune.strategies import (
    Known,
    Repeated,
    Replay,
    Strategy,
    create_strategy,
    strategy_class,
)


def make_search(config: Config) -> Strategy:
    """New, knowing what the run knows before it begins.

    Raises:
        UsageError: an option of the strategy is unknown or out of range.
    """
    if config.replayed:
        return Replay(config.space, config.replayed)
    options = dict(config.strategy_options)
    kind = strategy_class(config.tuning_strategy)
    if "optimize_mode" in kind.OPTIONS:
        options["optimize_mode"] = config.direction.value
    continues = EVALUATORS[config.evaluator].continues_models
    is_training = continues and config.members_have_models
    if is_training and kind.names_parents:
        is_training = False  # it is such a training itself
        if config.safety.kept_models is not None:
            raise UsageError(
                Mistake(
                    "keep_models",
                    "does not go with the strategy "
                    f"{config.tuning_strategy}, which may continue any model",
                    config.safety.keep_models,
                ),
                "keep them all: --keep_models=all",
            )
    strategy = create_strategy(
        config.tuning_strategy,
        config.space,
        popsize=1 if is_training else config.popsize,
        seed=config.seed,
        allow_repeats=continues,
        options=options,
        schedule="async" if is_training else config.schedule,
        rounds=None if is_training else config.round,
    )
    strategy.enqueue(config.enqueued)
    for run in config.earlier:
        strategy.remember([Known(known["params"], known["merit"]) for known in run])
    if is_training:
        # Loaded late: it needs numpy, and a command line with a mistake in it does not.
        from autofinetune.strategies.training import PopulationTraining

        return PopulationTraining(strategy, config.popsize, config.schedule, config.round)
    return Repeated(strategy, config.repeats) if config.repeats > 1 else strategy
