"""Ctrl-C and a request to terminate end any command, and leave nothing half-written."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

__all__ = ["INTERRUPTED", "Interrupts", "cancel_on_interrupt"]

#: Exit code of an interrupted command.
INTERRUPTED = 130
#: Seconds after which a second signal no longer waits for the tidying up.
_PATIENCE_S = 10.0


class Interrupts:
    """While open, SIGINT, SIGTERM and SIGHUP raise ``KeyboardInterrupt`` here.

    In the main thread; in another one it does nothing. Only the first signal counts:
    the tidying up that follows must not be interrupted by an impatient second Ctrl-C,
    unless it takes long. Signals that the parent process told us to ignore, as nohup
    does, stay ignored.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._first_s: float | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in _signals():
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop the work at the first signal.

        Raises
        ------
        KeyboardInterrupt
            At the first signal.
        """
        now_s = time.monotonic()
        if self._first_s is None:
            self._first_s = now_s
            raise KeyboardInterrupt
        if now_s - self._first_s > _PATIENCE_S:
            os._exit(INTERRUPTED)


@contextmanager
def cancel_on_interrupt() -> Iterator[threading.Event]:
    """Set a cancel flag at the first signal, where work should stop in good order.

    A second signal does what it did before.

    Yields
    ------
    threading.Event
        The flag.
    """
    cancel = threading.Event()
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        cancel.set()
        restore()

    before.update({number: signal.getsignal(number) for number in _signals()})
    for number in before:
        signal.signal(number, on_signal)
    try:
        yield cancel
    finally:
        restore()


def _signals() -> list[int]:
    """Return the signals that mean stop here and that nobody told us to ignore."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    known = (getattr(signal, name, None) for name in names)
    return [
        number
        for number in known
        if number is not None and signal.getsignal(number) != signal.SIG_IGN
    ]
