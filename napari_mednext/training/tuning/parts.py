"""Which parts of a network learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["freeze_all_but"]

#: What is learned -> beginnings of the names of its parameters; None is all of them.
_PARTS: dict[str, tuple[str, ...] | None] = {
    "full": None,
    "decoder": ("up_", "dec_block_", "out_"),
    "head": ("out_",),
}


def freeze_all_but(network: nn.Module, part: str) -> list[nn.Parameter]:
    """Let a part of a network learn, and nothing else.

    Parameters
    ----------
    network : nn.Module
        With the parameter names of MedNeXt. Changed in place.
    part : str
        "full", "decoder" or "head".

    Returns
    -------
    list of Parameter
        Those that learn.

    Raises
    ------
    ModelError
        If the network has no such part.
    """
    beginnings = _PARTS[part]
    learning = []
    for name, parameter in network.named_parameters():
        learns = beginnings is None or name.startswith(beginnings)
        parameter.requires_grad_(learns)
        if learns:
            learning.append(parameter)
    if not learning:
        msg = (
            f"the network must have a {part} to train, but no parameter of "
            f"{type(network).__name__} is named so: train the full network"
        )
        raise ModelError(msg)
    return learning
