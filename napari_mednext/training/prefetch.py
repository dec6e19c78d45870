"""Drawing the next batch while the network learns from this one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Prefetcher"]

#: A named tuple of tensors.
Batch = TypeVar("Batch", bound=tuple[Tensor, ...])


class Prefetcher(Generic[Batch]):
    """Hands out batches in order; one is drawn ahead, in a thread of its own.

    On CUDA the thread works on a stream of its own: what it copies to the device does
    not wait for the update that runs, and small kernels fill the gaps of large ones.

    Parameters
    ----------
    draw : callable
        Step to batch; called in the thread. A batch depends on its step alone.
    last : int
        No batch is drawn for this step and later ones.
    device : torch.device
        Where batches are.
    """

    def __init__(
        self, draw: Callable[[int], Batch], *, last: int, device: torch.device
    ) -> None:
        self._draw = draw
        self._last = last
        self._device = device
        self._coming: tuple[int, Future[tuple[Batch, torch.cuda.Event | None]]] | None
        self._coming = None
        self._stream = _new_stream(device)
        # Threads have their own number of helpers, and sums depend on it.
        self._pool = ThreadPoolExecutor(
            1,
            thread_name_prefix="synthesis",
            initializer=torch.set_num_threads,
            initargs=(torch.get_num_threads(),),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, step: int) -> Batch:
        """Return the batch of a step and begin with that of the next one."""
        if self._coming is None or self._coming[0] != step:
            self._coming = (step, self._pool.submit(self._make, step))
        batch, ready = self._coming[1].result()
        self._coming = None
        if step + 1 < self._last:
            self._coming = (step + 1, self._pool.submit(self._make, step + 1))
        if ready is not None:
            now = torch.cuda.current_stream(self._device)
            now.wait_event(ready)
            for part in batch:
                # Patches of scans are drawn on the CPU, where there are no streams.
                if part.device.type == "cuda":
                    part.record_stream(now)
        return batch

    def _make(self, step: int) -> tuple[Batch, torch.cuda.Event | None]:
        """Draw a batch; on CUDA also an event that says when it is there."""
        if self._stream is None:
            return self._draw(step), None
        with torch.cuda.stream(self._stream):
            batch = self._draw(step)
            ready = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            ready.record(self._stream)
        return batch, ready


def _new_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return a stream beside the usual one, on devices that have streams."""
    if device.type != "cuda":
        return None
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return stream
