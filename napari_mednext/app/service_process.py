"""What runs in the segmentation process; :mod:`napari_mednext.app.service` starts it.

Three threads: one hears the pipe (requests, cancels, and the end of the parent), one
watches that the parent lives, and the main thread works. Whatever libraries print goes
to the error stream; the pipe carries messages only.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import sys
import threading
import time
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from napari_mednext.app.engine import (
    Engine,
    WithDoubt,
    WithDoubtAndProbabilities,
    WithProbabilities,
)
from napari_mednext.app.wire import Channel
from napari_mednext.jobs.turns import segmenting
from napari_mednext.volume import Segmentation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.progress import CancelFlag, Progress, ProgressCallback

__all__ = ["Backend", "InferenceBackend", "main"]

#: How often the child looks whether its parent still lives, where the system offers
#: nothing better than looking.
_PARENT_POLL_S = 1.0
#: Politeness of the child: with few cores the window goes first.
_NICENESS = 5


#: What is sent of a result that has a doubt, and probabilities.
_KINDS: dict[tuple[bool, bool], type[Segmentation]] = {
    (False, False): Segmentation,
    (False, True): WithProbabilities,
    (True, False): WithDoubt,
    (True, True): WithDoubtAndProbabilities,
}


class Backend(Protocol):
    """What does the work in the child."""

    def warm(self) -> tuple[str, ...]:
        """Load what takes long and return the names of the devices."""
        ...

    def load(self, model: str | Path, device: str) -> None:
        """Load a model and keep it."""
        ...

    def segment(
        self,
        request: dict[str, Any],
        *,
        on_progress: ProgressCallback,
        on_preview: Callable[[Any], None] | None,
        cancel: CancelFlag,
    ) -> Segmentation:
        """Do one request of :meth:`SegmentService.segment`."""
        ...


class InferenceBackend:
    """The real engine; keeps the last model loaded."""

    def __init__(self) -> None:
        self._engine = Engine()

    def warm(self) -> tuple[str, ...]:
        """Import torch and the engine, and return the devices that torch sees."""
        import_module("napari_mednext.inference")
        return torch_devices()

    def load(self, model: str | Path, device: str) -> None:
        """Load a model, after letting go of another one."""
        self._engine.load(model, device)

    def segment(
        self,
        request: dict[str, Any],
        *,
        on_progress: ProgressCallback,
        on_preview: Callable[[Any], None] | None,
        cancel: CancelFlag,
    ) -> Segmentation:
        """Segment with :meth:`napari_mednext.app.engine.Engine.segment`."""
        result = self._engine.segment(
            **request, on_progress=on_progress, on_preview=on_preview, cancel=cancel
        )
        # The parent must not import the module of a class that imports torch.
        kind = _KINDS[hasattr(result, "doubt"), hasattr(result, "probabilities")]
        names = kind.__dataclass_fields__
        return kind(**{name: getattr(result, name) for name in names})


def torch_devices() -> tuple[str, ...]:
    """Return the devices that torch can use, the processor first."""
    import torch

    devices = ["cpu"]
    devices += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return tuple(devices)


def main(backend: str, parent: int) -> None:
    """Serve the parent process until it closes the pipe or ends.

    Parameters
    ----------
    backend : str
        ``"module:Class"`` of the :class:`Backend`.
    parent : int
        Process id of the parent.
    """
    channel = _take_pipes()
    work: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    cancelled: set[int] = set()
    for target, arguments in (
        (_listen, (channel, work, cancelled)),
        (_watch_parent, (parent,)),
    ):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    _be_polite()
    module, _, name = backend.partition(":")
    engine: Backend = getattr(import_module(module), name)()
    _warm(engine, channel)
    while True:
        kind, *content = work.get()
        if kind == "load":
            _load(engine, *content)
        elif kind == "segment":
            number, request = content
            _segment(engine, channel, number, request, _Flag(number, cancelled))


class _Flag:
    """The cancel flag of one run."""

    def __init__(self, number: int, cancelled: set[int]) -> None:
        self._number = number
        self._cancelled = cancelled

    def is_set(self) -> bool:
        """Whether the parent cancelled this run."""
        return self._number in self._cancelled


def _take_pipes() -> Channel:
    """Take the standard streams for messages and give prints another way out."""
    reader = io.FileIO(os.dup(0), "r")
    writer = io.FileIO(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return Channel(reader, writer)


def _listen(
    channel: Channel,
    work: queue.SimpleQueue[tuple[Any, ...]],
    cancelled: set[int],
) -> None:
    """Hear the parent; end the process when it is gone. Nothing here needs saving."""
    try:
        while True:
            message = channel.receive()
            if message[0] == "cancel":
                cancelled.add(message[1])
            else:
                work.put(message)
    except (EOFError, OSError):
        os._exit(0)
    finally:
        # Without ears the process would hang for ever: end it, the parent reports it.
        traceback.print_exc()
        os._exit(1)


def _watch_parent(parent: int) -> None:
    """End the process when the parent died while something else holds its pipe."""
    if sys.platform == "win32":
        return
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_S)
    os._exit(0)


def _be_polite() -> None:
    """Let the window go first when cores are few."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)


def _warm(engine: Backend, channel: Channel) -> None:
    """Load what takes long; a failure is told by the first run."""
    try:
        devices = engine.warm()
    except Exception:  # noqa: BLE001 - the boundary of the process
        traceback.print_exc()
    else:
        _send(channel, ("ready", 0, devices))


def _load(engine: Backend, model: str | Path, device: str) -> None:
    """Load a model ahead; a failure is told by the run that wants it."""
    try:
        engine.load(model, device)
    except Exception:  # noqa: BLE001 - the boundary of the process
        traceback.print_exc()


def _segment(
    engine: Backend,
    channel: Channel,
    number: int,
    request: dict[str, Any],
    cancel: CancelFlag,
) -> None:
    """Do one run and send its events and its end: exactly one of done and failed.

    Trainings of this user make way meanwhile.
    """

    def on_progress(progress: Progress) -> None:
        _send(
            channel,
            (
                "progress",
                number,
                progress.done,
                progress.total,
                progress.text,
                progress.elapsed_s,
                progress.remaining_s,
            ),
        )

    def on_preview(preview: Any) -> None:
        _send(channel, ("preview", number, preview.slices, preview.labels))

    previews = request.pop("previews")
    try:
        with segmenting():
            result = engine.segment(
                request,
                on_progress=on_progress,
                on_preview=on_preview if previews else None,
                cancel=cancel,
            )
    except Exception as error:  # noqa: BLE001 - the boundary of the process
        name = type(error).__name__
        _send(channel, ("failed", number, name, str(error), traceback.format_exc()))
    else:
        _send(channel, ("done", number, result))


def _send(channel: Channel, message: tuple[Any, ...]) -> None:
    """Send; when the parent is gone there is nothing left to do."""
    try:
        channel.send(message)
    except OSError:
        os._exit(0)
