"""Cards and slots: which exist, and which may be used."""
