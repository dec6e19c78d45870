"""How a model is trained from label maps alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from napari_mednext.errors import SettingsError
from napari_mednext.settings.schema import Range, Settings

__all__ = ["FromLabelsSettings"]


@dataclass(frozen=True)
class FromLabelsSettings(Settings):
    """One training from label maps: with the maps, all that decides the weights.

    Raises
    ------
    SettingsError
        If a field has the wrong type or lies outside its range or choices.
    """

    preset: Literal["tiny", "small", "base", "wide"] = "tiny"
    """Size of the network."""

    start_from: str = ""
    """Model whose weights the training starts from, by name or folder; random weights
    when empty. It must have the same preset and classes."""

    spacing_mm: Annotated[float, Range(0.3, 10.0)] = 2.0
    """Edge of a voxel that the network sees, in mm."""

    patch_z: Annotated[int, Range(16, 512)] = 64
    """Training patch, voxels from feet to head; a multiple of 16."""

    patch_y: Annotated[int, Range(16, 512)] = 80
    """Training patch, voxels from back to front; a multiple of 16."""

    patch_x: Annotated[int, Range(16, 512)] = 64
    """Training patch, voxels from left to right; a multiple of 16."""

    oversampling: Annotated[int, Range(1, 4)] = 2
    """Synthetic scans are drawn on a grid this many times finer than the network's, so
    that voxels at borders hold a mixture, as in real scans."""

    steps: Annotated[int, Range(1)] = 4000
    """Optimiser updates."""

    batch_size: Annotated[int, Range(1, 64)] = 1
    """Patches an update."""

    learning_rate: Annotated[float, Range(1e-7, 1.0)] = 1.5e-3
    """Peak learning rate of AdamW, reached after the warm-up."""

    weight_decay: Annotated[float, Range(0.0, 1.0)] = 1e-2
    """Weight decay of AdamW."""

    warmup_steps: Annotated[int, Range(0)] = 150
    """Updates over which the learning rate rises linearly."""

    ema_decay: Annotated[float, Range(0.0, 0.99999)] = 0.998
    """Decay of the running mean of the weights; the mean is what is saved."""

    validate_every: Annotated[int, Range(1)] = 250
    """Updates between two validations on synthetic scans of the held-out maps."""

    seed: Annotated[int, Range(0)] = 0
    """Seed of weights and scans: the same seed gives the same weights on the CPU."""

    device: str = "auto"
    """Where to train: auto, cpu or cuda."""

    def _check(self) -> None:
        patch = (self.patch_z, self.patch_y, self.patch_x)
        if any(n % 16 for n in patch):
            msg = (
                f"the patch must be a multiple of 16 voxels on every axis, got {patch}"
            )
            raise SettingsError(msg)

    @property
    def patch(self) -> tuple[int, int, int]:
        """The patch as (z, y, x) voxels."""
        return (self.patch_z, self.patch_y, self.patch_x)
