"""How good masks are: overlap, surfaces and volumes against a reference.

Nothing here needs torch. ``evaluate`` goes from files to an :class:`Evaluation`,
``evaluate_arrays`` from arrays to numbers.
"""

from napari_mednext.evaluation.evaluate import evaluate
from napari_mednext.evaluation.metrics import evaluate_arrays
from napari_mednext.evaluation.regions import Region, Regions
from napari_mednext.evaluation.results import (
    CaseResult,
    Comparison,
    Evaluation,
    LabelResult,
    Summary,
)
from napari_mednext.evaluation.statistics import compare, summarise
from napari_mednext.evaluation.tables import read_json, write_csv, write_json

__all__ = [
    "CaseResult",
    "Comparison",
    "Evaluation",
    "LabelResult",
    "Region",
    "Regions",
    "Summary",
    "compare",
    "evaluate",
    "evaluate_arrays",
    "read_json",
    "summarise",
    "write_csv",
    "write_json",
]
