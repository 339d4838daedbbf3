"""Our strategies as samplers of Optuna, beside Optuna's own, in Optuna's own loop."""
