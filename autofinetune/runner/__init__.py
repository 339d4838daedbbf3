"""The small process that owns one attempt of one trial and outlives the tuner.

It imports only a few modules of the standard library, as its start delays every trial. `main` is
its main loop; the local executor also uses the other modules.
"""
