"""What a run is: events, trials and the state that follows from them. Pure."""
