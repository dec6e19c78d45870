"""A study: a folder of cases with their state, in the layout of an nnU-Net dataset."""

from napari_mednext.study.case import Case, CaseFigures, CaseState, ModelVersion
from napari_mednext.study.entry import CaseEntry, CaseList
from napari_mednext.study.folder import CasePaths, StudyFolder
from napari_mednext.study.ledger import (
    ActivityClock,
    EffortRow,
    EffortSummary,
    effort_csv,
    summarise_effort,
)
from napari_mednext.study.locks import CaseLock, LockHolder
from napari_mednext.study.spots import SeenSpot
from napari_mednext.study.study import Study
from napari_mednext.study.training_labels import TrainingValues, training_labels
from napari_mednext.study.worklist import Order, StateFilter

__all__ = [
    "ActivityClock",
    "Case",
    "CaseEntry",
    "CaseFigures",
    "CaseList",
    "CaseLock",
    "CasePaths",
    "CaseState",
    "EffortRow",
    "EffortSummary",
    "LockHolder",
    "ModelVersion",
    "Order",
    "SeenSpot",
    "StateFilter",
    "Study",
    "StudyFolder",
    "TrainingValues",
    "effort_csv",
    "summarise_effort",
    "training_labels",
]
