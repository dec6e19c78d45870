"""Weights of other writers, brought to the names that the network uses.

The network's names are the official ones. What is left to bridge: prefixes of wrappers
(``module.``, ``_orig_mod.``), the official code's one-element ``dummy_tensor``, and its
``down_0`` without GRN, which equals a gain and an offset of zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

__all__ = ["load_weights"]

_PREFIXES = ("module.", "_orig_mod.")
_DROPPED = "dummy_tensor"


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights into a network; every parameter must be given and fit.

    Heads of deep supervision that the network was not built with are left out.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    weights : mapping of name to tensor
        As saved by this package or by the official code.

    Raises
    ------
    ModelError
        If a parameter is missing, unknown or of another shape.
    """
    given = {_plain(name): value for name, value in weights.items()}
    given.pop(_DROPPED, None)
    wanted = network.state_dict()
    for name, value in wanted.items():
        if name.startswith("down_0.grn_") and name not in given:
            given[name] = value.new_zeros(value.shape)
    unknown = [n for n in given if n not in wanted and not _is_lower_head(n)]
    missing = [n for n in wanted if n not in given]
    if unknown or missing:
        msg = (
            "the weights must name the parameters of the network, got "
            f"{len(missing)} missing (such as {missing[:2]}) and {len(unknown)} "
            f"unknown (such as {unknown[:2]}): choose the plans that belong to them"
        )
        raise ModelError(msg)
    for name, value in wanted.items():
        if given[name].shape != value.shape:
            msg = (
                f"the weight {name!r} must have shape {tuple(value.shape)}, got "
                f"{tuple(given[name].shape)}: choose the plans that belong to it"
            )
            raise ModelError(msg)
    network.load_state_dict({n: given[n] for n in wanted})


def _plain(name: str) -> str:
    """Return a name without the prefixes of wrappers."""
    for prefix in _PREFIXES * 2:
        name = name.removeprefix(prefix)
    return name


def _is_lower_head(name: str) -> bool:
    """Whether a name belongs to a head of deep supervision."""
    return name.startswith(("out_1.", "out_2.", "out_3.", "out_4."))
