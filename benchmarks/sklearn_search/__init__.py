"""AutofinetuneSearchCV beside the searches of scikit-learn; see `__main__.py`."""
