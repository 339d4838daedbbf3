"""The small process that owns one attempt of one trial and outlives the tuner.

Standard library only, and few modules of that: its start is on the path of every trial. `main` is
its life, the other modules are also used by the local executor.
"""
