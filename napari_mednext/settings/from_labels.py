"""How a model is trained from label maps alone."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from napari_mednext.errors import SettingsError, StorageError
from napari_mednext.settings.schema import Range, Settings

if TYPE_CHECKING:
    from pathlib import Path

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

    checkpointing: Literal["none", "expansion"] = "none"
    """What is computed twice to save memory while training: with expansion, the widest
    tensors; a fraction of the memory for about a tenth more time."""

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

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a settings file: JSON with a schema number and any of the fields.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        FromLabelsSettings

        Raises
        ------
        SettingsError
            If the file is not there or not JSON, a field is unknown, or a value is
            outside its domain.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = (
                f"a settings file must be a readable JSON file, got {str(path)!r} "
                f"({error}): correct it or choose another one"
            )
            raise SettingsError(msg) from error
        if not isinstance(values, dict):
            msg = (
                f"a settings file must hold one JSON object, got {str(path)!r} with "
                f"{type(values).__name__}: write the fields between braces"
            )
            raise SettingsError(msg)
        return cls.from_dict(values)

    def save(self, path: Path) -> None:
        """Write all fields as a settings file, beside it first, then in its place.

        Parameters
        ----------
        path : Path
            Replaced if it is there.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        beside = path.with_name(path.name + ".tmp")
        try:
            beside.write_text(json.dumps(self.to_dict(), indent=2) + "\n", "utf-8")
            os.replace(beside, path)  # noqa: PTH105 - atomic on every system
        except OSError as error:
            msg = f"the settings must be written to {str(path)!r}: {error}"
            raise StorageError(msg) from error
