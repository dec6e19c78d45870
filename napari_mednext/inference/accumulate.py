"""Weighted sums of overlapping tiles, for a whole window or for a slab that moves.

Sums are float32: half-precision sums, as nnU-Net's, decide about one voxel in a
thousand wrongly and are slower on processors. They lie channels-last in memory, as the
network's features do on processors: adding a tile is then one pass, at any layout of
the tile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["Accumulator"]


class Accumulator:
    """Sums of tiles and of their weights over a window of planes.

    Only ``depth`` consecutive planes exist at any time, in a ring; they move up when
    planes are released. With ``depth`` equal to the window's planes, nothing moves.

    Parameters
    ----------
    channels : int
        Channels of a tile.
    shape : (z, y, x) voxels
        The window.
    depth : int
        Planes held at once, at least those of a tile.
    device : str or torch.device
        Where the sums lie.
    """

    def __init__(
        self,
        channels: int,
        shape: tuple[int, int, int],
        depth: int,
        device: str | torch.device,
    ) -> None:
        planes, rows, columns = shape
        self._depth = min(depth, planes)
        self._first = 0
        size = (self._depth, rows, columns)
        self._sums = torch.zeros((*size, channels), device=device)
        self._weights = torch.zeros(size, device=device)

    @property
    def device(self) -> torch.device:
        """Where the sums lie."""
        return self._sums.device

    def move(self, device: str | torch.device) -> None:
        """Take the sums to another device; nothing is lost."""
        self._sums = self._sums.to(device)
        self._weights = self._weights.to(device)

    def _pieces(self, start: int, count: int) -> Iterator[tuple[slice, slice]]:
        """Yield (ring planes, planes of the tile); two when the ring wraps."""
        if start < self._first or start + count > self._first + self._depth:
            held = (self._first, self._first + self._depth)
            msg = f"planes {start}..{start + count} must lie in the slab {held}"
            raise IndexError(msg)
        done = 0
        while done < count:
            at = (start + done) % self._depth
            length = min(count - done, self._depth - at)
            yield slice(at, at + length), slice(done, done + length)
            done += length

    def add(self, tile: Tensor, weights: Tensor, at: tuple[int, int, int]) -> None:
        """Add a tile times its weights.

        Parameters
        ----------
        tile : (c, z, y, x) float32
            On the accumulator's device. Not modified.
        weights : (z, y, x) float32
            On the accumulator's device.
        at : (z, y, x) voxels
            Its start in the window.

        Raises
        ------
        IndexError
            If the tile's planes are not held.
        """
        z, y, x = at
        count, rows, columns = tile.shape[1:]
        area = (slice(y, y + rows), slice(x, x + columns))
        for ring, own in self._pieces(z, count):
            values = tile[:, own].permute(1, 2, 3, 0)
            where = (ring, *area)
            self._sums[where].addcmul_(values, weights[own].unsqueeze(-1))
            self._weights[where] += weights[own]

    def plane(self, index: int) -> Tensor:
        """Return the weighted mean of one plane.

        Parameters
        ----------
        index : int
            Plane of the window.

        Returns
        -------
        (c, y, x) float32
            0 where no tile was added.

        Raises
        ------
        IndexError
            If the plane is not held.
        """
        return self.block(index, slice(None), slice(None))

    def block(self, index: int, rows: slice, columns: slice) -> Tensor:
        """Return the weighted mean of a part of one plane, as :meth:`plane`.

        Parameters
        ----------
        index : int
            Plane of the window.
        rows, columns : slice
            The part.

        Returns
        -------
        (c, y, x) float32

        Raises
        ------
        IndexError
            If the plane is not held.
        """
        ring = next(self._pieces(index, 1))[0].start
        weights = self._weights[ring, rows, columns]
        # Without a tile both sums are 0; any positive divisor leaves 0.
        divisor = torch.where(weights > 0, weights, 1.0)
        means = self._sums[ring, rows, columns] / divisor.unsqueeze(-1)
        return means.permute(2, 0, 1)

    def release(self, before: int) -> None:
        """Forget the planes before an index, and make room for as many later ones."""
        count = min(before - self._first, self._depth)
        if count > 0:
            for ring, _ in list(self._pieces(self._first, count)):
                self._sums[ring] = 0
                self._weights[ring] = 0
        self._first = max(self._first, before)
