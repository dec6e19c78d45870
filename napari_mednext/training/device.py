"""What a training switches on its device, and what it says when that is too small."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_mednext.errors import ResourceError
from napari_mednext.inference.devices import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_mednext.settings.from_labels import FromLabelsSettings

__all__ = ["autocast", "fast_convolutions", "told_when_memory_ends"]


def autocast(device: torch.device) -> torch.autocast:
    """Return the context in which the network runs: half precision on CUDA only."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    # Also where a caller has switched it on: the gradients for CPUs know one precision.
    return torch.autocast("cpu", enabled=False)


@contextmanager
def fast_convolutions(device: torch.device) -> Iterator[None]:
    """Let cuDNN look for the fastest kernels meanwhile; all batches have one shape."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def told_when_memory_ends(settings: FromLabelsSettings) -> Iterator[None]:
    """Turn an allocation that failed into a sentence."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        msg = (
            f"the memory must hold an update, but {settings.batch_size} patches of "
            f"{settings.patch} voxels with the preset {settings.preset!r} did not fit: "
            "lower batch_size or the patch, or set checkpointing to 'expansion'"
        )
        raise ResourceError(msg) from error
