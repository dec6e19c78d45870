"""How a volume is segmented."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from napari_mednext.errors import SettingsError
from napari_mednext.settings.schema import Range, Settings

__all__ = ["InferenceSettings"]

_DEVICE = re.compile(r"auto|cpu|mps|cuda|cuda:\d{1,3}")


@dataclass(frozen=True)
class InferenceSettings(Settings):
    """How a volume is segmented: the settings of one run.

    Raises
    ------
    SettingsError
        If a field has the wrong type or lies outside its range or choices.
    """

    step: Annotated[float, Range(0.1, 1.0)] = 0.5
    """Distance between neighbouring tiles as a fraction of a tile's edge: 0.5 overlaps
    tiles by half; larger is faster, smaller is smoother."""

    mirror: bool = True
    """Average over mirrored tiles along the axes that the model was trained to mirror:
    up to eight times the time, a little more accurate."""

    engine: Literal["auto", "eager", "compiled", "fused"] = "auto"
    """How the network is run: auto chooses the fastest that this machine can run."""

    max_ram_gb: Annotated[float | None, Range(0.25)] = None
    """Memory that a run may take, in GB of 1e9 bytes; empty is what is free."""

    device: str = "auto"
    """Where the network runs: auto, cpu, cuda, cuda:N (the N-th GPU) or mps."""

    def _check(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            msg = (
                "device must be auto, cpu, cuda, cuda:N or mps, got "
                f"{self.device!r}: choose one of them"
            )
            raise SettingsError(msg)
