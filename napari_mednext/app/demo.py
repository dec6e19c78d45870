"""The demonstration: the shipped sample, segmented by the shipped model, as files."""

from __future__ import annotations

import importlib.resources
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.app import picture
from napari_mednext.app.engine import Engine
from napari_mednext.app.outputs import make_folder
from napari_mednext.app.table import Row, csv_text, rows

if TYPE_CHECKING:
    from napari_mednext.app.engine import Segmenter
    from napari_mednext.progress import CancelFlag, ProgressCallback
    from napari_mednext.settings import InferenceSettings

__all__ = ["DEMO_MODEL", "DemoResult", "run_demo", "sample_path"]

#: The model and the sample that come with the package.
DEMO_MODEL = "brain_mr"
_SAMPLE = "colin27_t1.nii.gz"


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration made.

    Parameters
    ----------
    title : str
        What was segmented.
    model : str
        The name of the model.
    mask, picture, table_file : Path
        The files.
    table : tuple of Row
        The volumes.
    notes : tuple of str
        What reading and segmenting had to say.
    elapsed_s : float
        Time from loading the model to the labels.
    """

    title: str
    model: str
    mask: Path
    picture: Path
    table_file: Path
    table: tuple[Row, ...]
    notes: tuple[str, ...]
    elapsed_s: float


def sample_path() -> Path:
    """Return where the shipped head MR is."""
    root = Path(str(importlib.resources.files("napari_mednext")))
    return root / "resources" / "samples" / _SAMPLE


def run_demo(
    folder: str | Path = "demo-output",
    *,
    sample: Path | None = None,
    model: str | Path | None = None,
    settings: InferenceSettings | None = None,
    segmenter: Segmenter | None = None,
    on_progress: ProgressCallback | None = None,
    cancel: CancelFlag | None = None,
) -> DemoResult:
    """Segment the sample and write mask, picture and table; older ones are replaced.

    Parameters
    ----------
    folder : path
        Made if missing.
    sample : Path, optional
        Another scan than the shipped one.
    model : str or Path, optional
        Another model than the shipped one.
    settings : InferenceSettings, optional
        How to segment; the defaults when left out.
    segmenter : Segmenter, optional
        What segments; an engine in this process when left out.
    on_progress : callable, optional
        Told while the work goes on.
    cancel : CancelFlag, optional
        Obeyed within one tile.

    Returns
    -------
    DemoResult
        With absolute paths.
    """
    from napari_mednext.formats import mask_name, open_volume, save_segmentation
    from napari_mednext.formats.placing import placed

    folder, model = Path(folder).absolute(), model or DEMO_MODEL
    make_folder(folder)
    volume = open_volume(sample or sample_path())
    began_s = time.monotonic()
    segmenter = segmenter if segmenter is not None else Engine()
    segmentation = segmenter.segment(
        volume,
        model=model,
        settings=settings,
        on_progress=on_progress,
        cancel=cancel,
    )
    elapsed_s = time.monotonic() - began_s
    stem = mask_name(volume.name)
    mask = save_segmentation(
        segmentation, folder / f"{stem}_mask.nii.gz", overwrite=True
    )
    title = f"{volume.name}, segmented by {model}"
    page = picture.draw(volume, segmentation, title=title)
    table, table_file = rows(segmentation), folder / f"{stem}_volumes.csv"
    with placed(table_file) as draft:
        draft.write_text(csv_text(table), encoding="utf-8")
    return DemoResult(
        title=title,
        model=str(model),
        mask=mask,
        picture=picture.save(page, folder / f"{stem}_picture.png"),
        table_file=table_file,
        table=table,
        notes=segmentation.source.notes,
        elapsed_s=elapsed_s,
    )
