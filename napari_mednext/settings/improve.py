"""How a model is improved with the corrections of a study."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from napari_mednext.errors import SettingsError
from napari_mednext.settings.schema import Range, Settings

__all__ = ["PRESET_MINUTES", "Effort", "ImproveSettings"]

Effort = Literal["quick", "standard", "thorough"]

_DEVICE = re.compile(r"auto|cpu|cuda|cuda:\d{1,3}")

#: Effort -> minutes of training on a GPU and on a CPU. A CPU is some thirty times
#: slower: its minutes are honest, not a promise of the same model.
PRESET_MINUTES: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {"quick": (1.5, 6.0), "standard": (10.0, 45.0), "thorough": (60.0, 360.0)}
)


@dataclass(frozen=True)
class ImproveSettings(Settings):
    """One improvement: with the corrections and the model, all that decides weights.

    Raises
    ------
    SettingsError
        If a field has the wrong type or lies outside its range or choices.
    """

    effort: Effort = "quick"
    """How long to train: quick takes minutes, standard longer, thorough hours on a
    CPU."""

    minutes: Annotated[float | None, Range(0.1, 10_000)] = None
    """Minutes of training; those of the effort when empty."""

    steps: Annotated[int | None, Range(2, 1_000_000)] = None
    """Updates of the final training; as many as fit into the minutes when empty."""

    train: Literal["full", "decoder", "head"] = "full"
    """What learns: the full network, the decoder and the heads, or the heads only."""

    start: Literal["current", "base"] = "current"
    """What the training starts from: the current version of the model, or the model
    that its versions descend from."""

    learning_rate: Annotated[float, Range(1e-7, 1.0)] = 1e-3
    """Peak learning rate of AdamW, reached after the warm-up."""

    head_rate: Annotated[float, Range(0.1, 100.0)] = 5.0
    """Learning rate of the output heads, as a multiple of that of all else."""

    weight_decay: Annotated[float, Range(0.0, 1.0)] = 1e-2
    """Weight decay of AdamW."""

    warmup: Annotated[float, Range(0.0, 0.9)] = 0.1
    """Share of the updates over which the learning rate rises; it falls afterwards."""

    ema_decay: Annotated[float, Range(0.0, 0.99999)] = 0.98
    """Decay of the running mean of the weights; the mean is what is kept. 0 keeps the
    last weights."""

    batch_size: Annotated[int, Range(1, 64)] = 1
    """Patches an update."""

    patch_share: Annotated[float, Range(0.25, 1.0)] = 1.0
    """Edge of the training patch as a share of the model's. Less saves time and memory,
    but the network normalises over its patch: what it learns on small ones is little
    use on the tiles of a segmentation."""

    augment: bool = True
    """Turn, scale, blur and brighten the patches at random, as nnU-Net does."""

    deep_supervision: bool = True
    """Also learn at lower resolutions."""

    probe: bool = True
    """Fit the heads of new classes, of the classes that they come from, and of lower
    resolutions to the features of the network before it learns."""

    changed_share: Annotated[float, Range(0.0, 1.0)] = 0.5
    """Share of the patches that lie where a person changed the model's labels."""

    replay_share: Annotated[float, Range(0.0, 0.9)] = 0.3
    """Share of the patches from cases that earlier versions have learned already."""

    distill_weight: Annotated[float, Range(0.0, 10.0)] = 1.0
    """How much the earlier model's answer counts where nobody looked, so that nothing
    is forgotten; 0 leaves it out."""

    interpolation: Annotated[float, Range(0.05, 1.0)] = 1.0
    """Share of the new weights in the model; the rest are those it started from."""

    kernel_size: Annotated[int | None, Range(3, 11)] = None
    """Enlarge the depthwise kernels to this odd size before training (UpKern); as the
    model has them when empty."""

    checkpointing: Literal["auto", "none", "expansion"] = "auto"
    """What is computed twice to save memory: nothing, or the widest tensors; auto
    decides by the memory that is free."""

    early_stop: bool = True
    """Stop when held-out cases no longer get better, where there are enough of them."""

    gate: Literal["auto", "hold-out", "leave-one-out", "none"] = "auto"
    """How the new model is judged: on cases that are never learned, or by leaving each
    out once; auto decides by how many there are."""

    promote: Literal["ask", "when better"] = "ask"
    """What happens at the end: ask, or use the model at once when it is measurably
    better, and never when it is not."""

    seed: Annotated[int, Range(0)] = 0
    """Seed of patches and new weights: the same seed gives the same weights on the
    CPU."""

    device: str = "auto"
    """Where to train: auto, cpu, cuda or cuda:N (the N-th GPU)."""

    def _check(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            msg = (
                "device must be auto, cpu, cuda or cuda:N, got "
                f"{self.device!r}: choose one of them"
            )
            raise SettingsError(msg)
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            msg = (
                "the kernel size must be odd, got "
                f"{self.kernel_size}: choose 3, 5, 7, 9 or 11"
            )
            raise SettingsError(msg)

    def training_minutes(self, device_kind: str) -> float:
        """Return the minutes of training on a kind of device, "cpu" or another."""
        if self.minutes is not None:
            return self.minutes
        gpu, cpu = PRESET_MINUTES[self.effort]
        return cpu if device_kind == "cpu" else gpu

    def patch_of(self, patch: tuple[int, ...], multiple: int) -> tuple[int, ...]:
        """Return the training patch for a model's own.

        Parameters
        ----------
        patch : tuple of int
            The model's, voxels.
        multiple : int
            Of which every edge is one; no edge falls below twice that.

        Returns
        -------
        tuple of int
            No edge is longer than the model's.
        """
        least = 2 * multiple
        return tuple(
            min(edge, max(least, round(edge * self.patch_share / multiple) * multiple))
            for edge in patch
        )
