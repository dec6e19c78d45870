"""From the class name in a model's plans to a network.

Only classes that are listed here, or that an installed package registers through
:mod:`napari_mednext.extensions`, are ever imported: a model folder cannot name code.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import ModelError
from napari_mednext.extensions import registered_networks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

__all__ = ["build", "known_networks"]

_OWN = {
    "napari_mednext.network.mednext.MedNeXt": "napari_mednext.network.mednext:MedNeXt",
    "napari_mednext.network.MedNeXt": "napari_mednext.network.mednext:MedNeXt",
    "MedNeXt": "napari_mednext.network.mednext:MedNeXt",
}


def known_networks() -> dict[str, str]:
    """Return class name -> "module:Class" of every network that may be built."""
    return {**registered_networks(), **_OWN}


def build(
    network_class_name: str,
    *,
    input_channels: int,
    num_classes: int,
    deep_supervision: bool = False,
    arch_kwargs: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build the network that a model's plans describe.

    Parameters
    ----------
    network_class_name : str
        As in ``plans.json``.
    input_channels, num_classes : int
        Image channels and output heads.
    deep_supervision : bool
        Whether to make the lower heads.
    arch_kwargs : mapping, optional
        Further constructor arguments.

    Raises
    ------
    ModelError
        If the class is not known, or does not take these arguments.
    """
    known = known_networks()
    if network_class_name not in known:
        msg = (
            f"the network class must be one of {sorted(known)}, got "
            f"{network_class_name!r}: install the package that registers it"
        )
        raise ModelError(msg)
    module_name, _, class_name = known[network_class_name].partition(":")
    cls = getattr(importlib.import_module(module_name), class_name)
    try:
        network: nn.Module = cls(
            input_channels=input_channels,
            num_classes=num_classes,
            deep_supervision=deep_supervision,
            **(arch_kwargs or {}),
        )
    except (TypeError, ValueError) as error:
        msg = (
            f"the plans must fit {network_class_name}, got "
            f"{dict(arch_kwargs or {})!r}: {error}"
        )
        raise ModelError(msg) from error
    return network
