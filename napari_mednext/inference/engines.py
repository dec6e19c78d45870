"""Running the network on tiles.

An engine turns one tile of the image into what is summed up: logits, or the features
in front of the head when they have fewer channels. The head is a 1x1x1 convolution, so
the mean of its outputs is its output of the mean (exact but for rounding), and it runs
once a voxel instead of once a voxel and tile.

A faster engine is a subclass of :class:`Engine` that overrides :meth:`Engine.forward`,
with a line in :func:`make_engine`.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from napari_mednext.inference.devices import is_out_of_memory
from napari_mednext.progress import CancelFlag, check_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CompiledEngine", "Engine", "FeatureNetwork", "make_engine"]

_LOG = logging.getLogger(__name__)


@runtime_checkable
class FeatureNetwork(Protocol):
    """A network whose logits are a 1x1x1 convolution of its features."""

    def features(self, x: Tensor) -> Tensor:
        """Return (n, c, z, y, x) features of (n, c, z, y, x) images."""
        ...

    def head(self, features: Tensor) -> Tensor:
        """Return (n, k, z, y, x) logits."""
        ...


class Engine:
    """Runs the networks of all folds eagerly.

    Parameters
    ----------
    networks : sequence of nn.Module
        One a fold, in evaluation mode.
    heads : int
        Logits of each network.
    device : str or torch.device
        Where they run.
    mirror_axes : sequence of int
        Axes 0..2 over whose every combination of flips the output is averaged.
    width : int, optional
        Channels of the networks' features, when they are known to have them.

    Attributes
    ----------
    carries : {"features", "logits"}
        What :meth:`run` returns.
    channels : int
        Its channels: with features, those of all folds side by side.
    downsampling : int
        What the sizes of the networks' inputs are padded to multiples of.
    known_downsampling : int or None
        The same, None when a network does not say.
    notes : list of str
        Sentences for the user about what went otherwise than asked.
    """

    name = "eager"

    def __init__(
        self,
        networks: Sequence[nn.Module],
        *,
        heads: int,
        device: str | torch.device,
        mirror_axes: Sequence[int] = (),
        width: int | None = None,
    ) -> None:
        self.networks = tuple(networks)
        self.heads = heads
        self.mirror_axes = tuple(mirror_axes)
        self.notes: list[str] = []
        self.carries: Literal["features", "logits"] = "logits"
        self.channels = heads
        if width is not None and len(self.networks) * width < heads:
            self.carries = "features"
            self.channels = len(self.networks) * width
        known = [getattr(network, "downsampling", None) for network in self.networks]
        self.downsampling = max(int(factor or 1) for factor in known)
        self.known_downsampling = None if None in known else self.downsampling
        self.device = torch.device("cpu")
        self.work_in_pieces(on=False)  # an earlier run may have needed it
        try:
            self.move(device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self.move("cpu")
            self.notes.append(
                f"the network does not fit into the memory of {device}: it runs on the "
                "processor, which is slower"
            )

    @property
    def flips(self) -> list[tuple[int, ...]]:
        """Combinations of axes to flip, none first."""
        return [
            axes
            for count in range(len(self.mirror_axes) + 1)
            for axes in itertools.combinations(self.mirror_axes, count)
        ]

    def move(self, device: str | torch.device) -> None:
        """Take the networks to another device."""
        self.device = torch.device(device)
        for network in self.networks:
            network.to(self.device)

    @property
    def can_work_in_pieces(self) -> bool:
        """Whether the networks can trade time for a smaller working set."""
        return all(hasattr(network, "work_in_pieces") for network in self.networks)

    def work_in_pieces(self, *, on: bool) -> None:
        """Let the networks work with a small working set, where they can."""
        for network in self.networks:
            switch = getattr(network, "work_in_pieces", None)
            if callable(switch):
                switch(on=on)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all networks' weights."""
        return sum(
            parameter.nbytes
            for network in self.networks
            for parameter in network.parameters()
        )

    def forward(self, fold: int, x: Tensor) -> Tensor:
        """Return what is carried of one fold, (1, c, z, y, x) to (1, n, z, y, x)."""
        return self.plain_forward(fold, x)

    def plain_forward(self, fold: int, x: Tensor) -> Tensor:
        """Return the same from the network itself, whatever the engine."""
        network = self.networks[fold]
        if self.carries == "features" and isinstance(network, FeatureNetwork):
            return network.features(x)
        output: Tensor = network(x)
        return output

    @torch.inference_mode()
    def run(self, tile: Tensor, *, cancel: CancelFlag | None = None) -> Tensor:
        """Return what is summed up of one tile, averaged over flips and folds.

        Parameters
        ----------
        tile : (c, z, y, x) float32
            On any device. Not modified.
        cancel : CancelFlag, optional
            Looked at before every pass of a network.

        Returns
        -------
        (channels, z, y, x) float32
            On the engine's device.

        Raises
        ------
        Cancelled
            If ``cancel`` was set.
        RuntimeError
            If memory runs out: :func:`is_out_of_memory` tells.
        """
        x = self._fit(tile.to(self.device)[None])
        parts = []
        for fold in range(len(self.networks)):
            total = None
            for axes in self.flips:
                check_cancelled(cancel)
                dims = [axis + 2 for axis in axes]
                output = self._autocast_forward(fold, x.flip(dims) if dims else x)
                output = output.flip(dims) if dims else output
                # Not in place: a network may hand back its own input.
                total = output if total is None else total + output
            if total is not None:
                parts.append(total / len(self.flips) if self.mirror_axes else total)
        size = tile.shape[1:]
        parts = [part[0, :, : size[0], : size[1], : size[2]] for part in parts]
        if len(parts) == 1:
            return parts[0]
        if self.carries == "features":
            return torch.cat(parts)
        return torch.stack(parts).mean(dim=0)

    def _autocast_forward(self, fold: int, x: Tensor) -> Tensor:
        """One pass in half precision where the device is made for it; float32 out."""
        if self.device.type != "cuda":
            return self.forward(fold, x).float()
        with torch.autocast("cuda", dtype=torch.float16):
            return self.forward(fold, x).float()

    def _fit(self, x: Tensor) -> Tensor:
        """Pad zeros at the high ends up to sizes that the network takes."""
        missing = [-size % self.downsampling for size in x.shape[2:]]
        if not any(missing):
            return x
        z, y, x_missing = missing
        return F.pad(x, (0, x_missing, 0, y, 0, z))

    @torch.inference_mode()
    def logits(self, carried: Tensor) -> Tensor:
        """Return the logits of summed-up means of one plane.

        Parameters
        ----------
        carried : (channels, y, x) float32
            On any device; the head is small and goes there.

        Returns
        -------
        (k, y, x) float32
            Averaged over folds.

        Raises
        ------
        TypeError
            If features are carried, and no network has a head.
        """
        if self.carries == "logits":
            return carried
        total = None
        folds = len(self.networks)
        for network, part in zip(self.networks, carried.chunk(folds), strict=True):
            if isinstance(network, FeatureNetwork):
                plane = part[None, :, None].to(self.device)
                output = network.head(plane)[0, :, 0].float().to(carried.device)
                total = output if total is None else total.add_(output)
        if total is None:
            msg = "an engine that carries features must have networks with heads"
            raise TypeError(msg)
        return total.div_(folds)


class CompiledEngine(Engine):
    """Runs the networks through ``torch.compile``, and eagerly where that fails."""

    name = "compiled"

    def __init__(
        self,
        networks: Sequence[nn.Module],
        *,
        heads: int,
        device: str | torch.device,
        mirror_axes: Sequence[int] = (),
        width: int | None = None,
    ) -> None:
        super().__init__(
            networks, heads=heads, device=device, mirror_axes=mirror_axes, width=width
        )
        self._compiled: Callable[[int, Tensor], Tensor] | None = torch.compile(
            self.plain_forward
        )

    def forward(self, fold: int, x: Tensor) -> Tensor:
        """Return what is carried of one fold, compiled at the first tile.

        Returns
        -------
        (1, n, z, y, x)

        Raises
        ------
        RuntimeError
            If memory runs out; what else fails is run eagerly.
        """
        if self._compiled is not None:
            try:
                return self._compiled(fold, x)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                self._give_up(error)
            except (ImportError, OSError) as error:
                self._give_up(error)
        return self.plain_forward(fold, x)

    def _give_up(self, error: Exception) -> None:
        """Run eagerly from now on, and tell."""
        _LOG.warning("torch.compile failed", exc_info=error)
        self._compiled = None
        self.notes.append(
            "this machine cannot compile the network: went on with the plain engine"
        )


def make_engine(
    name: Literal["auto", "eager", "compiled", "fused"],
    networks: Sequence[nn.Module],
    *,
    heads: int,
    device: str | torch.device,
    mirror_axes: Sequence[int] = (),
) -> Engine:
    """Return the engine of a name, or the nearest one that there is, with a note.

    Parameters
    ----------
    name : {"auto", "eager", "compiled", "fused"}
        "auto" is the fastest that needs no compiler.
    networks : sequence of nn.Module
        One a fold.
    heads : int
        Logits of each.
    device : str or torch.device
        Where they run.
    mirror_axes : sequence of int
        Axes to mirror.

    Returns
    -------
    Engine
    """
    kind = CompiledEngine if name == "compiled" else Engine
    engine = kind(
        networks,
        heads=heads,
        device=device,
        mirror_axes=mirror_axes,
        width=_feature_width(networks),
    )
    if name == "fused":
        engine.notes.append(
            "the fused engine is not part of this version: went on with the plain one"
        )
    return engine


def _feature_width(networks: Sequence[nn.Module]) -> int | None:
    """Channels of the features, or None when a network does not offer them."""
    if not all(isinstance(network, FeatureNetwork) for network in networks):
        return None
    widths = {getattr(network, "width", None) for network in networks}
    width = widths.pop()
    return width if not widths and isinstance(width, int) else None
