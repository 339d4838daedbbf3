"""The search of a run: the configured strategy and its wrappers.

Three options determine it: `--tuning_strategy`, `--repeats`, and, if the evaluator continues
models, `--exploit`.
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
    """Return a new search that includes the prior knowledge of the run.

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
        is_training = False  # the strategy already trains a population
        if config.safety.kept_models is not None:
            raise UsageError(
                Mistake(
                    "keep_models",
                    "cannot be used with the strategy "
                    f"{config.tuning_strategy}, which may continue any model",
                    config.safety.keep_models,
                ),
                "keep all models: --keep_models=all",
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
        # Imported late: it needs numpy, which a command with a mistake never uses.
        from autofinetune.strategies.training import PopulationTraining

        return PopulationTraining(strategy, config.popsize, config.schedule, config.round)
    return Repeated(strategy, config.repeats) if config.repeats > 1 else strategy
