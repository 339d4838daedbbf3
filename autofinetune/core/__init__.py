"""The model of a run: events, trials and the state derived from them. Pure."""
