"""Numbers and sentences as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.progress import Progress
    from napari_mednext.volume import SourceHeader, VoxelGrid

__all__ = [
    "RESEARCH_ONLY",
    "TIMES",
    "duration",
    "grid_lines",
    "grid_notes",
    "millilitres",
    "progress_line",
    "sentence",
    "short_path",
]

#: Said wherever a model is chosen.
RESEARCH_ONLY = "Research use only, not for diagnosis."
#: The sign between two lengths.
TIMES = "\u00d7"
#: Obliquities below this angle in degrees are rounding noise of the header.
VISIBLE_OBLIQUITY_DEG = 0.1


def sentence(error: BaseException | str) -> str:
    """Return an error as one sentence: a capital letter first, a full stop last."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else "it failed"
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def duration(seconds: float) -> str:
    """Return a time as ``8 s``, ``1:05 min`` or ``2:10 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def millilitres(volume_ml: float) -> str:
    """Return a volume with three significant digits, and none below 0.01 mL."""
    if volume_ml <= 0:
        return "0"
    if volume_ml < 0.01:
        return "< 0.01"
    digits = 0 if volume_ml >= 100 else 1 if volume_ml >= 10 else 2
    return f"{volume_ml:,.{digits}f}"


def progress_line(progress: Progress) -> str:
    """Return what is done, how much of it, and the time left once it is known."""
    parts = [progress.text[:1].upper() + progress.text[1:]]
    if progress.total > 0:
        parts.append(f"{progress.done} of {progress.total}")
    if progress.remaining_s is not None and progress.done:
        parts.append(f"{duration(progress.remaining_s)} left")
    return " · ".join(part for part in parts if part)


def grid_lines(grid: VoxelGrid) -> str:
    """Return the size of a volume in voxels and the size of a voxel in mm, x first."""
    voxels = f" {TIMES} ".join(str(n) for n in reversed(grid.shape))
    spacing = f" {TIMES} ".join(f"{s:.4g}" for s in reversed(grid.spacing))
    return f"{voxels} voxels · {spacing} mm"


def grid_notes(grid: VoxelGrid, source: SourceHeader) -> list[str]:
    """Return what a user should know about a volume, one sentence each."""
    notes = [sentence(note) for note in source.notes]
    if grid.obliquity_deg > VISIBLE_OBLIQUITY_DEG:
        notes.append(
            f"Oblique by {grid.obliquity_deg:.1f}°: shown on its own voxel grid, "
            "saved on the scanner's."
        )
    return notes


def short_path(path: Path) -> str:
    """Return a path with the home folder as ``~``."""
    home = path.home()
    if path.is_relative_to(home):
        return str("~" / path.relative_to(home))
    return str(path)
