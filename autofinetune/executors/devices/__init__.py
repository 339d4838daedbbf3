"""Cards and slots: what there is, and who may use it."""
