"""The live view of a run: one model, drawn on a terminal, as text, as data or in a notebook."""
