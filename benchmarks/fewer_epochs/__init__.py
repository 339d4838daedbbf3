"""What early stopping saves, by an event simulator over tables of learning curves."""
