"""How many epochs does population-based training need for what training from scratch finds?

    python -m benchmarks.population_training [--seeds 20] [--tasks digits,lcbench/...]
        [--data /path/to/yahpo_data] [--rounds 10] [--popsize 5] [--share 0.5]

For each task and seed the loop of a run, with everything but processes and time, searches three
times with the same strategy:

* `fulltrail`: `--popsize` times `--rounds` trials from scratch, all epochs each;
* `populationbased` with `--exploit=truncation` and with `--exploit=better_half`, the rule of
  PaddleHub: more and shorter trials, as many epochs altogether as `fulltrail`.

Reported is the share of fulltrail's epochs after which the others have reached the score that
fulltrail has at its end, both as means over the seeds, with 95 % intervals of a bootstrap over the
seeds (and over the tasks, where there are several), and the mean scores at half of the epochs.

`digits` trains the network of demo/digits for real: a continued trial goes on from the parent's
weights as the script does. LCBench is a surrogate (`search_quality/yahpo.py`) that knows learning
curves of unchanged hyperparameters only, so what a change on the way does is modelled. With
`switch` a trial scores as if its hyperparameters had been used from the first epoch on, which makes
changes free. With `mixed` it scores the mean of what all hyperparameters of its chain give at this
age, weighted by the epochs that each was used for, which makes a bad start count to the end.
"""
