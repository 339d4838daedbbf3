"""What can go wrong around a run. Each fault has a number, such as F41, which its tests carry."""
