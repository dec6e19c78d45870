"""Weights as safetensors: written in half precision, read with every check."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from napari_mednext.errors import ModelError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

__all__ = ["check_finite", "file_digest", "read_weights", "save_weights"]


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a ``.safetensors`` file.

    Parameters
    ----------
    path : Path
        A file that :func:`save_weights` or another program wrote.

    Returns
    -------
    dict
        Name -> tensor on the CPU, in the type that it was saved in.

    Raises
    ------
    ModelError
        If the file is missing, damaged or empty.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, torch.Tensor] = load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:120].rstrip(".")
        msg = (
            f"weights must be a whole safetensors file, got {str(path)!r}, which "
            f"cannot be read ({reason}): copy the file again"
        )
        raise ModelError(msg) from error
    if not weights:
        msg = f"weights must hold tensors, got none in {str(path)!r}: copy it again"
        raise ModelError(msg)
    return weights


def check_finite(weights: Mapping[str, torch.Tensor], where: str) -> None:
    """Refuse weights that hold a NaN, an infinite number or an unusual type.

    Parameters
    ----------
    weights : mapping
        Name -> tensor.
    where : str
        Named in the sentence.

    Raises
    ------
    ModelError
        If a value is not finite, or of a type that weights are not stored in.
    """
    import torch

    usual = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    whole = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    for name, tensor in weights.items():
        if tensor.dtype not in usual + whole:
            msg = (
                "weights must be float16, bfloat16, float32, float64 or whole numbers, "
                f"got {tensor.dtype} in {name!r} of {where}: store them as float32"
            )
            raise ModelError(msg)
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            msg = (
                f"weights must be finite numbers, got NaN or infinity in {name!r} of "
                f"{where}: use weights of another epoch or copy the file again"
            )
            raise ModelError(msg)


def save_weights(
    weights: Mapping[str, torch.Tensor], path: Path, *, half: bool = True
) -> None:
    """Write weights as safetensors.

    Parameters
    ----------
    weights : mapping
        Name -> tensor on any device. Not modified.
    path : Path
        Written directly: the caller gives a place that nobody reads yet.
    half : bool
        Store numbers as float16.

    Raises
    ------
    ModelError
        If there are no weights, or a number is not finite or too large for float16.
    StorageError
        If the file cannot be written.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if not weights:
        msg = f"weights must hold at least one tensor, got none for {path.name!r}"
        raise ModelError(msg)
    check_finite(weights, f"the weights for {path.name!r}")
    stored = {}
    for name, tensor in weights.items():
        value = tensor.detach().cpu()
        if half and value.is_floating_point():
            value = value.to(torch.float16)
            if not bool(value.isfinite().all()):
                msg = (
                    "weights must be below 65504 to be stored as float16, got "
                    f"{float(tensor.abs().max())} in {name!r}: store them with "
                    "half=False"
                )
                raise ModelError(msg)
        # A copy: tensors that share memory are refused by the format.
        stored[name] = value.clone(memory_format=torch.contiguous_format)
    try:
        save_file(stored, path, metadata={"format": "pt"})
        path.chmod(0o644)  # the library makes files that only their owner can read
    except (OSError, SafetensorError) as error:
        msg = (
            f"the weights must be writable, got {error} for {str(path)!r}: check the "
            "free space and the permissions"
        )
        raise StorageError(msg) from error


def file_digest(path: Path) -> str:
    """Hash a file.

    Parameters
    ----------
    path : Path
        Of any size.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Raises
    ------
    ModelError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        msg = (
            f"every file of a model must be readable, got {error.strerror or error} "
            f"for {str(path)!r}: copy the model folder again"
        )
        raise ModelError(msg) from error
