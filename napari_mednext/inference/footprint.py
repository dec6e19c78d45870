"""How much memory one pass of a network takes, found with a very small tile."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["forward_bytes"]


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Counts the bytes of all storages that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.live = 0
        self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation and count what it made."""
        del types
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(item, torch.Tensor):
                self._count(item.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata  # noqa: SLF001 - the only identity of a storage
        if key in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)

        def gone() -> None:
            self._known.discard(key)
            self.live -= size

        weakref.finalize(storage, gone)


def forward_bytes(
    forward: Callable[[Tensor], Tensor],
    channels: int,
    patch: tuple[int, int, int],
    *,
    device: str | torch.device = "cpu",
    downsampling: int | None = None,
) -> int:
    """Return the peak of what a forward pass allocates, its output included.

    Parameters
    ----------
    forward : callable
        (1, c, z, y, x) to a tensor; run once, on as small a tile as it takes.
    channels : int
        Channels of the input.
    patch : (z, y, x) voxels
        The tile that is asked about. All of a network's tensors grow with the voxels.
    device : str or torch.device
        Where the network is.
    downsampling : int, optional
        What sizes must be multiples of; when not known, the largest power of two that
        the tile's own sizes are multiples of.

    Returns
    -------
    int
        Bytes in float32, without the input. Libraries need some more inside an
        operation.
    """
    # Two voxels at the lowest resolution, so that borders weigh little.
    probe = [2 * (downsampling or size & -size) for size in patch]
    x = torch.zeros((1, channels, *probe), device=device)
    with torch.inference_mode(), _LiveBytes() as counter:
        output = forward(x)
        del output
    peak: int = counter.peak
    return round(peak * math.prod(patch) / math.prod(probe))
