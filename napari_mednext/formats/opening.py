"""The one door through which every volume comes in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_mednext.formats.reading import existing, open_channels, open_file
from napari_mednext.volume import Volume

__all__ = ["open_volume"]


def open_volume(
    path: str | Path | Sequence[str | Path],
    *,
    series: str | None = None,
    frame: int | None = None,
) -> Volume:
    """Open a volume."""
    paths = [path] if isinstance(path, str | Path) else list(path)
    found = [existing(one) for one in paths]
    if len(found) > 1:
        return open_channels(found, frame=frame)
    return open_file(found[0], frame=frame)
