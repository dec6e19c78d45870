"""Segmentation in a process of its own.

Importing torch holds the interpreter lock for seconds, and a crash or an
out-of-memory kill takes a process with it: neither may happen to the window. So the
work runs in a child process that is started early, keeps the model warm, and ends
when this process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext import errors
from napari_mednext.app.child import Child
from napari_mednext.errors import MednextError, ResourceError
from napari_mednext.progress import (
    CancelFlag,
    Progress,
    ProgressCallback,
    check_cancelled,
)

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from napari_mednext.settings import InferenceSettings
    from napari_mednext.volume import Segmentation, Volume

__all__ = ["Preview", "PreviewCallback", "SegmentService"]

#: How often a waiting caller looks at its cancel flag.
_POLL_S = 0.05


@dataclass(frozen=True)
class Preview:
    """Rough labels of a part of the volume, sent while the rest is worked on.

    Parameters
    ----------
    slices : three slices
        Place in the volume's own (z, y, x) voxels.
    labels : (z, y, x) uint8 or uint16
        Of the shape of ``slices``.
    """

    slices: tuple[slice, slice, slice]
    labels: NDArray[np.unsignedinteger]


PreviewCallback = Callable[[Preview], None]


class SegmentService:
    """Segments volumes in a child process; one run at a time, others wait.

    The methods may be called from any thread; callbacks run in the thread that called
    :meth:`segment`. The child is started by :meth:`start` or by the first run, started
    again when it died, and ended by :meth:`close`, by garbage collection, or by the
    end of this process.

    Parameters
    ----------
    backend : str
        ``"module:Class"`` of what works in the child; tests put a small one here.
    patience_s : float
        Seconds that a cancelled run may still take before the child is ended by force.
    """

    def __init__(
        self,
        *,
        backend: str = "napari_mednext.app.service_process:InferenceBackend",
        patience_s: float = 10.0,
    ) -> None:
        self._backend = backend
        self._patience_s = patience_s
        self._child: Child | None = None
        self._running = threading.Lock()
        self._starting = threading.Lock()
        self._numbers = itertools.count(1)
        self._end: Callable[[], object] = lambda: None

    def start(self, *, model: str | Path | None = None, device: str = "auto") -> None:
        """Start the child process and return at once; it loads torch meanwhile.

        Parameters
        ----------
        model : str or Path, optional
            A model to load as well, so that the first run need not wait for it.
        device : str
            Where that model will run.
        """
        child = self._living_child()
        if model is not None:
            # A child that dies just now is noticed, and replaced, by the next run.
            with contextlib.suppress(OSError):
                child.channel.send(("load", _absolute(model), device))

    @property
    def pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        child = self._child
        return child.pid if child is not None and child.is_alive else None

    @property
    def devices(self) -> tuple[str, ...] | None:
        """Names of the devices that the child found, None until it has looked."""
        child = self._child
        return child.devices if child is not None else None

    def segment(
        self,
        volume: Volume,
        *,
        model: str | Path,
        settings: InferenceSettings | None = None,
        roi: tuple[slice, slice, slice] | None = None,
        focus: tuple[int, int, int] | None = None,
        probabilities: bool = False,
        doubt: bool = False,
        sides: bool = False,
        on_progress: ProgressCallback | None = None,
        on_preview: PreviewCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> Segmentation:
        """Segment a volume in the child process and wait for the result.

        Parameters
        ----------
        volume : Volume
            Sent without a copy when its array is contiguous.
        model : str or Path
            Name of an installed model, or its folder. The last one stays loaded.
        settings : InferenceSettings, optional
            How to segment; the defaults when left out.
        roi : three slices, optional
            In the volume's (z, y, x) voxels: only this part is segmented.
        focus : (z, y, x) voxels, optional
            Where the user looks: tiles near it come first.
        probabilities : bool
            Whether the result also carries the probabilities.
        doubt : bool
            Whether the result also carries the doubt at every voxel, as
            :class:`napari_mednext.app.engine.WithDoubt` does.
        sides : bool
            Whether left and right are told apart; models whose labels have no sides
            refuse.
        on_progress, on_preview : callable, optional
            Called in this thread while waiting.
        cancel : CancelFlag, optional
            Looked at twenty times a second.

        Returns
        -------
        Segmentation
            On the grid of ``volume``.

        Notes
        -----
        ``Cancelled`` when ``cancel`` was set: the child keeps its model.
        ``ResourceError`` when the child process ended before it was done, or memory did
        not suffice. Whatever the work itself refuses comes with its class and sentence,
        the traceback as a note.
        """
        volume = replace(volume, array=np.ascontiguousarray(volume.array))
        request = {
            "volume": volume,
            "model": _absolute(model),
            "settings": settings,
            "roi": roi,
            "focus": focus,
            "probabilities": probabilities,
            "doubt": doubt,
            "sides": sides,
            "previews": on_preview is not None,
        }
        with _acquired(self._running, cancel):
            check_cancelled(cancel)
            child = self._living_child()
            run = _Run(child, next(self._numbers), self._patience_s)
            try:
                run.begin(request)
                return run.wait(on_progress, on_preview, cancel)
            except BaseException:
                run.abandon()
                raise

    def close(self) -> None:
        """End the child process. A run in progress ends with ``ResourceError``."""
        with self._starting:
            self._end()
            self._child = None

    def __enter__(self) -> SegmentService:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _living_child(self) -> Child:
        """Return the child process, a fresh one when there is none."""
        with self._starting:
            if self._child is None or not self._child.is_alive:
                self._end()
                self._child = Child(self._backend)
                self._end = weakref.finalize(self, self._child.close)
            return self._child


class _Run:
    """One segmentation in a child: sends the request, waits for its end."""

    def __init__(self, child: Child, number: int, patience_s: float) -> None:
        self._child = child
        self._number = number
        self._patience_s = patience_s
        self._ended = False
        self._kill_at_s: float | None = None

    def begin(self, request: dict[str, Any]) -> None:
        """Send the request; a dead child is reported by :meth:`wait`."""
        with contextlib.suppress(OSError):
            self._child.channel.send(("segment", self._number, request))

    def wait(
        self,
        on_progress: ProgressCallback | None,
        on_preview: PreviewCallback | None,
        cancel: CancelFlag | None,
    ) -> Segmentation:
        """Pass events on until the run ends, and return its result."""
        while True:
            self._look_at(cancel)
            message = self._child.next_message(timeout_s=_POLL_S)
            if message is None:
                continue
            kind, number, *content = message
            if kind == "died":
                self._ended = True
                check_cancelled(cancel)
                raise self._child.death()
            if number != self._number:
                continue  # the tail of a run that was abandoned
            if kind == "progress" and on_progress is not None:
                on_progress(Progress(*content))
            elif kind == "preview" and on_preview is not None:
                on_preview(Preview(*content))
            elif kind == "done":
                self._ended = True
                result: Segmentation = content[0]
                return result
            elif kind == "failed":
                self._ended = True
                error = _rebuilt(*content)
                raise error

    def abandon(self) -> None:
        """Ask the child to stop a run that nobody waits for any more."""
        if not self._ended:
            with contextlib.suppress(OSError):
                self._child.channel.send(("cancel", self._number))

    def _look_at(self, cancel: CancelFlag | None) -> None:
        """Ask the child to stop when cancelled, and end it when it does not."""
        if cancel is None or not cancel.is_set():
            return
        now_s = time.monotonic()
        if self._kill_at_s is None:
            self._kill_at_s = now_s + self._patience_s
            with contextlib.suppress(OSError):
                self._child.channel.send(("cancel", self._number))
        elif now_s > self._kill_at_s:
            self._child.kill()


@contextlib.contextmanager
def _acquired(lock: threading.Lock, cancel: CancelFlag | None) -> Iterator[None]:
    """Hold a lock; while waiting for it, obey the cancel flag."""
    while not lock.acquire(timeout=_POLL_S):
        check_cancelled(cancel)
    try:
        yield
    finally:
        lock.release()


def _absolute(model: str | Path) -> str | Path:
    """Return a name as it is, and a folder so that any process finds it."""
    return model if isinstance(model, str) else model.absolute()


def _rebuilt(name: str, message: str, trace: str) -> MednextError:
    """Return the error that happened in the child, with its traceback as a note."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, MednextError):
        error: MednextError = kind(message)
    elif name == "MemoryError":
        error = ResourceError(
            "the segmentation must fit into memory, it did not: close other programs, "
            "choose a region, or lower the memory limit"
        )
    else:
        error = MednextError(
            f"the segmentation stopped with an unexpected {name} ({message}): "
            "please report it with the log"
        )
    error.add_note(trace)
    return error
