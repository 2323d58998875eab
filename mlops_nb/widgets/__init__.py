"""Widgets for notebooks and Voilà: ``from mlops_nb.widgets import ModelBoard``."""

from mlops_nb.widgets.board import ModelBoard
from mlops_nb.widgets.compare import ComparePanel
from mlops_nb.widgets.drift import DriftView
from mlops_nb.widgets.form import ParameterForm
from mlops_nb.widgets.promotion import PromotionPanel
from mlops_nb.widgets.run import RunView
from mlops_nb.widgets.schedule import ScheduleForm

__all__ = [
    "ComparePanel",
    "DriftView",
    "ModelBoard",
    "ParameterForm",
    "PromotionPanel",
    "RunView",
    "ScheduleForm",
]
