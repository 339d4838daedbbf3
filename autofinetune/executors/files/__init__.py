"""Files between a trial and the tuner."""
