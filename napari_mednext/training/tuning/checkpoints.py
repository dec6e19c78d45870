"""The state of a training on disk: written beside its place, then moved there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from napari_mednext.errors import ModelError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_state", "write_state"]


def read_state(path: Path) -> dict[str, Any] | None:
    """Return what :func:`write_state` wrote, on the CPU; None where nothing is.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        msg = (
            f"a checkpoint must be whole, got {str(path)!r} ({type(error).__name__}): "
            "remove it to train from the beginning"
        )
        raise ModelError(msg) from error
    return state


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state so that a kill at any moment leaves this one or the one before.

    Raises
    ------
    StorageError
        If there is no room; what was there stays.
    """
    beside = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)  # noqa: PTH105 - atomic everywhere
    except (OSError, RuntimeError) as error:  # torch has its own when disks fill
        beside.unlink(missing_ok=True)
        msg = (
            f"a checkpoint must be written to {str(path.parent)!r}, but that failed "
            f"({error}): make room, then resume the job"
        )
        raise StorageError(msg) from error
