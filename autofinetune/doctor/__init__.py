"""Checks the machine, a script, its hparam.yaml and a run, and says what to fix."""
