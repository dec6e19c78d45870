"""How good masks are: overlap, surfaces and volumes against a reference."""

from napari_mednext.evaluation.results import (
    CaseResult,
    Comparison,
    Evaluation,
    LabelResult,
    Summary,
)

__all__ = [
    "CaseResult",
    "Comparison",
    "Evaluation",
    "LabelResult",
    "Summary",
]
