"""Widgets for notebooks and Voilà: ``from mlops_nb.widgets import ModelBoard``."""
