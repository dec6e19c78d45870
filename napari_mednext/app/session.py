"""What one application holds: the installed models and the segmentation process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.app.service import SegmentService

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from napari_mednext.formats import Series
    from napari_mednext.models import ModelInfo
    from napari_mednext.volume import Segmentation, Volume

__all__ = ["Session"]


class Session:
    """One per application: made by the entry point and handed down.

    Nothing is started or loaded when it is made; :attr:`service` starts its process on
    ``service.start()`` or at the first segmentation. ``close`` it at the end, or use it
    in a ``with`` block.

    Parameters
    ----------
    service : SegmentService, optional
        By default one with the real engine.
    """

    def __init__(self, *, service: SegmentService | None = None) -> None:
        self.service = service if service is not None else SegmentService()

    def models(self) -> tuple[ModelInfo, ...]:
        """Return the installed models, the shipped ones first."""
        from napari_mednext.models import installed_models

        return installed_models()

    def open(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        series: str | None = None,
        frame: int | None = None,
    ) -> Volume:
        """Read a volume in its own orientation.

        Parameters
        ----------
        paths : path or sequence of paths
            A file, a DICOM folder, or one file per channel.
        series : str, optional
            Which DICOM series, where a folder has several.
        frame : int, optional
            Which frame of a 4D file.

        Returns
        -------
        Volume

        Notes
        -----
        A ``FormatError`` says that there is no readable volume, a ``GeometryError``
        that its grid is impossible, a ``ChannelError`` that a frame or channels must
        be chosen.
        """
        from napari_mednext.formats import open_volume

        return open_volume(paths, series=series, frame=frame)

    def series(self, folder: str | Path) -> tuple[Series, ...]:
        """Return the DICOM series of a folder."""
        from napari_mednext.formats import list_series

        return list_series(folder)

    def save_mask(
        self, segmentation: Segmentation, path: str | Path, *, overwrite: bool = False
    ) -> Path:
        """Write a mask on the grid of its source file and return where it is.

        A ``StorageError`` says that the file exists and must not be replaced, or that
        it cannot be written; an ``InputError`` that the ending is unknown.
        """
        from napari_mednext.formats import save_segmentation

        return save_segmentation(segmentation, path, overwrite=overwrite)

    def close(self) -> None:
        """End the segmentation process."""
        self.service.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
