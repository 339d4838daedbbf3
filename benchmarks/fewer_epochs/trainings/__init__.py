"""Real trainings: each module has a space that is a grid, and trains points of it.

A module has `PARAMETERS` (entries of a search space, all of them discrete), `LENGTH` (steps, each
with a report), `LIBRARIES` (distributions on which scores depend), `ALIKE` (parameters that must
be the same in configurations that are trained by one call) and `train(configurations, seed)`,
which returns the score after every step, `(configurations, LENGTH)`, higher is better and not a
number from a divergence on.
"""
