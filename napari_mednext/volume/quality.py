"""What speaks against trusting a segmentation: findings for people, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

__all__ = ["Finding", "Quality"]


@dataclass(frozen=True)
class Finding:
    """One thing that is unlike what a model knows.

    Parameters
    ----------
    code : str
        A word for programs, as ``modality`` or ``border``.
    severity : {"notice", "warning"}
        A notice is worth knowing; after a warning the labels should be doubted.
    sentence : str
        What is unlike, what was given, what to do; lower case, no full stop.
    """

    code: str
    severity: Literal["notice", "warning"]
    sentence: str


@dataclass(frozen=True)
class Quality:
    """What was found about a scan and its segmentation; it never stops anything.

    Parameters
    ----------
    findings : tuple of Finding
        The most telling first; empty when nothing speaks against the result.
    figures : mapping of name to number
        What the findings were decided from.
    """

    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings after which the labels should be doubted."""
        return tuple(each for each in self.findings if each.severity == "warning")
