"""Opening volumes from a dock: read in a thread, asked about in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_mednext.errors import Cancelled, ChannelError, FormatError
from napari_mednext.ui.choices import ask_frame, ask_series, ask_source
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.readers import volume_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from napari_mednext.app import Session
    from napari_mednext.formats import Source
    from napari_mednext.volume import Volume

__all__ = ["Opening"]


class Opening(QObject):
    """Opens what a user chose or dropped; one of its signals ends it.

    Parameters
    ----------
    session : Session
    window : QWidget
        Where questions appear.
    """

    opened = Signal(list)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self._session = session
        self._window = window
        self._job: Job | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is being read."""
        return self._job is not None and not self._job.is_over

    def start(self, paths: Sequence[Path]) -> None:
        """Open a file, a folder, or several files."""
        if len(paths) == 1 and paths[0].is_dir():
            folder = paths[0]
            self._run(
                lambda _: _series(self._session, folder),
                lambda series: self._on_series(folder, series),
                f"MedNeXt: looking into {folder.name}",
            )
            return
        self._find(paths)

    def start_reading(self, read: Callable[[], list[Any]]) -> None:
        """Open what a function reads, as a shipped sample."""
        self._run(lambda _: read(), self.opened.emit, "MedNeXt: opening a sample")

    def stop(self) -> None:
        """Forget about what is being read."""
        if self._job is not None:
            self._job.cancel()

    def _find(self, paths: Sequence[Path]) -> None:
        """Look for volumes in files and folders."""
        from napari_mednext.formats import find_sources

        self._run(
            lambda _: find_sources(paths),
            lambda sources: self._on_sources(paths, sources),
            "MedNeXt: looking for volumes",
        )

    def _on_series(self, folder: Path, series: Sequence[Any]) -> None:
        if not series:
            self._find([folder])
            return
        try:
            uid = ask_series(series, self._window)
        except Cancelled:
            self.cancelled.emit()
            return
        self._read(lambda f: [self._session.open(folder, series=uid, frame=f)], folder)

    def _on_sources(self, paths: Sequence[Path], sources: Sequence[Source]) -> None:
        if not sources:
            names = ", ".join(repr(path.name) for path in paths[:3])
            self.failed.emit(
                explain(FormatError(f"{names} holds no volume that can be read"))
            )
            return
        if len(sources) > 1 and any(path.is_dir() for path in paths):
            try:
                sources = [ask_source(sources, self._window)]
            except Cancelled:
                self.cancelled.emit()
                return
        from napari_mednext.formats import open_source

        self._read(lambda f: [open_source(s, frame=f) for s in sources], paths[0])

    def _read(
        self,
        read: Callable[[int | None], list[Volume]],
        path: Path,
        frame: int | None = None,
    ) -> None:
        """Read volumes into layers; a missing frame is asked for."""

        def work(_: Job) -> list[Any]:
            return [layer for volume in read(frame) for layer in volume_layers(volume)]

        self._run(
            work,
            self.opened.emit,
            f"MedNeXt: opening {path.name}",
            lambda error: self._on_unread(error, read, path),
        )

    def _on_unread(
        self,
        error: BaseException,
        read: Callable[[int | None], list[Volume]],
        path: Path,
    ) -> None:
        if isinstance(error, ChannelError) and error.frames > 1:
            try:
                self._read(read, path, ask_frame(error.frames, self._window))
            except Cancelled:
                self.cancelled.emit()
            return
        self.failed.emit(f"{path.name}: {explain(error)}")

    def _run(
        self,
        work: Callable[[Job], Any],
        then: Callable[[Any], object],
        title: str,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Do one part in a thread and go on in the thread of the window."""
        job = Job(work, title)
        job.succeeded.connect(then)
        job.cancelled.connect(self.cancelled.emit)
        job.failed.connect(on_error or (lambda error: self.failed.emit(explain(error))))
        self._job = job
        job.start()


def _series(session: Session, folder: Path) -> Sequence[Any]:
    """Return the DICOM series of a folder, none when it holds none."""
    try:
        return session.series(folder)
    except FormatError:
        return ()
