"""The engine in this process: loads a model, keeps it, and segments with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_mednext.progress import CancelFlag, Progress, ProgressCallback
from napari_mednext.volume import Segmentation, Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.inference import Model, Preview
    from napari_mednext.settings import InferenceSettings

__all__ = [
    "Engine",
    "Segmenter",
    "WithDoubt",
    "WithDoubtAndProbabilities",
    "WithProbabilities",
]

Roi = tuple[slice, slice, slice]


@dataclass(frozen=True)
class WithProbabilities(Segmentation):
    """A segmentation with probabilities, in a process that has not loaded torch.

    Parameters
    ----------
    probabilities : (k, z, y, x) float32
        As :class:`napari_mednext.inference.SegmentationWithProbabilities` has them.
    """

    probabilities: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 0, 0, 0), dtype=np.float32)
    )


@dataclass(frozen=True)
class WithDoubt(Segmentation):
    """A segmentation with its doubt, in a process that has not loaded torch.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        As :class:`napari_mednext.inference.SegmentationWithDoubt` has it: 0 certain,
        255 undecided between all classes.
    """

    doubt: NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((0, 0, 0), dtype=np.uint8)
    )


@dataclass(frozen=True)
class WithDoubtAndProbabilities(WithDoubt, WithProbabilities):
    """A segmentation with both, in a process that has not loaded torch."""


class Segmenter(Protocol):
    """What segments a volume: an :class:`Engine`, or a service process."""

    def segment(
        self,
        volume: Volume,
        *,
        model: str | Path,
        settings: InferenceSettings | None = None,
        roi: Roi | None = None,
        probabilities: bool = False,
        doubt: bool = False,
        sides: bool = False,
        on_progress: ProgressCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> Segmentation:
        """Segment a volume on its own grid."""
        ...


class Engine:
    """Segments in this process; the last model stays loaded.

    Making one loads nothing; the first use imports torch.
    """

    def __init__(self) -> None:
        self._model: Model | None = None
        self._key: tuple[str, str] | None = None

    def load(self, model: str | Path, device: str = "auto") -> Model:
        """Return the model, loading it when it is another one than last time.

        Parameters
        ----------
        model : str or Path
            Name of an installed model, or its folder.
        device : str
            As in :class:`napari_mednext.settings.InferenceSettings`.

        Returns
        -------
        Model
            Ready on the device.
        """
        from napari_mednext.inference import load_model

        key = (str(model), device)
        if self._model is None or self._key != key:
            self._model = None  # frees its memory before the next one needs it
            self._model = load_model(model, device=device)
            self._key = key
        return self._model

    def segment(
        self,
        volume: Volume,
        *,
        model: str | Path,
        settings: InferenceSettings | None = None,
        roi: Roi | None = None,
        focus: tuple[int, int, int] | None = None,
        probabilities: bool = False,
        doubt: bool = False,
        sides: bool = False,
        on_progress: ProgressCallback | None = None,
        on_preview: Callable[[Preview], None] | None = None,
        cancel: CancelFlag | None = None,
    ) -> Segmentation:
        """Segment a volume.

        Parameters
        ----------
        volume : Volume
            In any orientation.
        model : str or Path
            Name of an installed model, or its folder.
        settings : InferenceSettings, optional
            How to segment; the defaults when left out.
        roi : three slices, optional
            In the volume's (z, y, x) voxels.
        focus : (z, y, x) voxels, optional
            Tiles near it come first.
        probabilities : bool
            Whether the result also carries the probabilities.
        doubt : bool
            Whether the result also carries the doubt at every voxel.
        sides : bool
            Whether left and right are told apart.
        on_progress, on_preview : callable, optional
            Told while the work goes on.
        cancel : CancelFlag, optional
            Obeyed within one tile.

        Returns
        -------
        Segmentation
            On the grid of ``volume``.
        """
        device = settings.device if settings is not None else "auto"
        if on_progress is not None and self._key != (str(model), device):
            on_progress(Progress(0, 1, "loading the model"))
        return self.load(model, device).segment(
            volume,
            settings=settings,
            roi=roi,
            focus=focus,
            probabilities=probabilities,
            doubt=doubt,
            sides=sides,
            on_progress=on_progress,
            on_preview=on_preview,
            cancel=cancel,
        )
