"""Many scans in, one mask each out; a bad one is named and the others are done."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.app.engine import Engine, Segmenter
from napari_mednext.app.outputs import (
    BatchItem,
    check_output,
    make_folder,
    plan_outputs,
)
from napari_mednext.app.table import Row, rows
from napari_mednext.errors import Cancelled, MednextError, ModelError
from napari_mednext.progress import CancelFlag, Progress, check_cancelled
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import Quality, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.formats import Source
    from napari_mednext.volume import Segmentation

__all__ = [
    "BatchEvent",
    "BatchItem",
    "BatchReport",
    "BatchState",
    "FileResult",
    "run_batch",
]

_LOG = logging.getLogger(__name__)


class BatchState(StrEnum):
    """Where one scan of a batch stands; the last three are ends."""

    QUEUED = "queued"
    READING = "reading"
    SEGMENTING = "segmenting"
    WRITING = "writing"
    SAVED = "saved"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing more happens to the scan."""
        return self in (BatchState.SAVED, BatchState.FAILED, BatchState.CANCELLED)


@dataclass(frozen=True)
class FileResult:
    """How one scan ended.

    Parameters
    ----------
    item : BatchItem
        The scan and its output.
    state : BatchState
        Saved, failed or cancelled.
    sentence : str
        Why it failed; empty otherwise.
    notes : tuple of str
        What reading and segmenting had to say: repairs, fall-backs.
    table : tuple of Row
        The volumes, when saved.
    elapsed_s : float
        Time from reading to the end.
    quality : Quality
        What speaks against trusting the mask.
    """

    item: BatchItem
    state: BatchState
    sentence: str = ""
    notes: tuple[str, ...] = ()
    table: tuple[Row, ...] = ()
    elapsed_s: float = 0.0
    quality: Quality = field(default_factory=Quality)


@dataclass(frozen=True)
class BatchEvent:
    """A scan of the batch changed its state, or its segmentation got on.

    Parameters
    ----------
    item : BatchItem
        Which scan.
    state : BatchState
        Where it stands.
    done, total : int
        Scans that ended, and scans of the batch.
    progress : Progress or None
        Of the segmentation of this scan, while it is segmented.
    result : FileResult or None
        At its end.
    remaining_s : float or None
        For the whole batch; None until it can be told.
    """

    item: BatchItem
    state: BatchState
    done: int
    total: int
    progress: Progress | None = None
    result: FileResult | None = None
    remaining_s: float | None = None


@dataclass(frozen=True)
class BatchReport:
    """How every scan of a batch ended, in order."""

    results: tuple[FileResult, ...]

    @property
    def saved(self) -> tuple[FileResult, ...]:
        """The scans whose mask was written."""
        return tuple(r for r in self.results if r.state is BatchState.SAVED)

    @property
    def failed(self) -> tuple[FileResult, ...]:
        """The scans that could not be done."""
        return tuple(r for r in self.results if r.state is BatchState.FAILED)

    @property
    def was_cancelled(self) -> bool:
        """Whether the user stopped the batch before its end."""
        return any(r.state is BatchState.CANCELLED for r in self.results)


def run_batch(
    sources: Sequence[Source],
    out: str | Path,
    *,
    model: str | Path,
    settings: InferenceSettings | None = None,
    file_format: str | None = None,
    overwrite: bool = False,
    roi: tuple[slice, slice, slice] | None = None,
    probabilities: bool = False,
    sides: bool = False,
    frame: int | None = None,
    segmenter: Segmenter | None = None,
    on_event: Callable[[BatchEvent], None] | None = None,
    cancel: CancelFlag | None = None,
) -> BatchReport:
    """Segment scans one after the other and write a mask for each.

    A scan that fails is named with a sentence, and the others are done. An output that
    exists makes its scan fail, unless ``overwrite``. A cancelled batch keeps the masks
    that are written; every file is whole or not there. ``StorageError`` when the
    output folder cannot be written to, before anything is read.

    Parameters
    ----------
    sources : sequence of Source
        From :func:`napari_mednext.formats.find_sources`.
    out : path
        A folder, made if missing; or a file, as :func:`plan_outputs` says.
    model : str or Path
        Name of an installed model, or its folder.
    settings : InferenceSettings, optional
        How to segment; the defaults when left out.
    file_format : str, optional
        ``nii.gz``, ``nii``, ``nrrd``, ``mha`` or ``mhd``.
    overwrite : bool
        Whether masks that are there are replaced.
    roi : three slices, optional
        In the (z, y, x) voxels of every scan.
    probabilities : bool
        Whether the probabilities are written too, beside the mask.
    sides : bool
        Whether left and right are told apart.
    frame : int, optional
        Which frame of 4D files; without it they fail and say how many there are.
    segmenter : Segmenter, optional
        A :class:`SegmentService`, to work in another process; else an engine in this.
    on_event : callable, optional
        Told of every change, in this thread.
    cancel : CancelFlag, optional
        Obeyed within one tile.

    Returns
    -------
    BatchReport
        One result for each scan.

    Notes
    -----
    A ``ModelError`` ends the batch: without a model no scan can be done.
    """
    items = plan_outputs(sources, out, file_format=file_format)
    for folder in sorted({item.output.parent for item in items}):
        make_folder(folder)
    work = _Work(
        model=model,
        settings=settings,
        overwrite=overwrite,
        roi=roi,
        probabilities=probabilities,
        sides=sides,
        frame=frame,
        segmenter=segmenter if segmenter is not None else Engine(),
        cancel=cancel,
    )
    return _Batch(items, work, on_event).run()


@dataclass(frozen=True)
class _Work:
    """What is the same for every scan of a batch."""

    model: str | Path
    settings: InferenceSettings | None
    overwrite: bool
    roi: tuple[slice, slice, slice] | None
    probabilities: bool
    sides: bool
    frame: int | None
    segmenter: Segmenter
    cancel: CancelFlag | None


@dataclass
class _Batch:
    """A batch under way."""

    items: tuple[BatchItem, ...]
    work: _Work
    on_event: Callable[[BatchEvent], None] | None
    results: list[FileResult] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    quality: Quality = field(default_factory=Quality)
    began_s: float = 0.0

    def run(self) -> BatchReport:
        """Do one scan after the other."""
        for item in self.items:
            self._tell(item, BatchState.QUEUED)
        for item in self.items:
            self._end(self._do(item))
        return BatchReport(tuple(self.results))

    def _do(self, item: BatchItem) -> FileResult:
        """Do one scan and say how it ended.

        Raises
        ------
        ModelError
            If the model cannot be used.
        """
        self.began_s, self.notes = time.monotonic(), ()
        self.quality = Quality()
        try:
            check_cancelled(self.work.cancel)
            table = self._read_segment_write(item)
        except Cancelled:
            return self._result(item, BatchState.CANCELLED)
        except ModelError:
            raise
        except MednextError as error:
            _LOG.info("%s failed", item.name, exc_info=True)
            return self._result(item, BatchState.FAILED, str(error))
        except MemoryError:
            sentence = (
                "the scan must fit into memory, it did not: choose a region, or lower "
                "the memory limit"
            )
            return self._result(item, BatchState.FAILED, sentence)
        except Exception as error:  # noqa: BLE001 - the boundary of one scan
            # The boundary of one scan's work: a fault of ours in the seventh scan must
            # not take the other hundred with it. The log has the traceback.
            _LOG.exception("%s failed unexpectedly", item.name)
            sentence = f"unexpected {type(error).__name__}: {error}"
            return self._result(item, BatchState.FAILED, sentence)
        return self._result(item, BatchState.SAVED, table=table)

    def _read_segment_write(self, item: BatchItem) -> tuple[Row, ...]:
        """Do the work for one scan and return its volumes."""
        from napari_mednext.formats import open_source

        work = self.work
        check_output(item, self.items, overwrite=work.overwrite)
        self._tell(item, BatchState.READING)
        volume = open_source(item.source, frame=work.frame)
        self.notes = volume.source.notes
        check_cancelled(work.cancel)
        self._tell(item, BatchState.SEGMENTING)
        segmentation = work.segmenter.segment(
            volume,
            model=work.model,
            settings=work.settings,
            roi=work.roi,
            probabilities=work.probabilities,
            sides=work.sides,
            on_progress=lambda progress: self._tell(
                item, BatchState.SEGMENTING, progress
            ),
            cancel=work.cancel,
        )
        del volume
        self.notes, self.quality = segmentation.source.notes, segmentation.quality
        check_cancelled(work.cancel)
        self._tell(item, BatchState.WRITING)
        _write(item, segmentation, overwrite=work.overwrite)
        return rows(segmentation)

    def _result(
        self,
        item: BatchItem,
        state: BatchState,
        sentence: str = "",
        table: tuple[Row, ...] = (),
    ) -> FileResult:
        """Return how a scan ended."""
        elapsed_s = time.monotonic() - self.began_s
        return FileResult(
            item, state, sentence, self.notes, table, elapsed_s, self.quality
        )

    def _end(self, result: FileResult) -> None:
        """Keep how a scan ended, and tell."""
        self.results.append(result)
        self._tell(result.item, result.state, result=result)

    def _tell(
        self,
        item: BatchItem,
        state: BatchState,
        progress: Progress | None = None,
        *,
        result: FileResult | None = None,
    ) -> None:
        """Send an event."""
        if self.on_event is None:
            return
        event = BatchEvent(
            item=item,
            state=state,
            done=len(self.results),
            total=len(self.items),
            progress=progress,
            result=result,
            remaining_s=self._remaining_s(progress),
        )
        self.on_event(event)

    def _remaining_s(self, progress: Progress | None) -> float | None:
        """Return the time left: this scan's, and a mean scan for each that waits."""
        saved = [r.elapsed_s for r in self.results if r.state is BatchState.SAVED]
        current_s = progress.remaining_s if progress is not None else None
        elapsed_s = time.monotonic() - self.began_s if self.began_s else 0.0
        if saved:
            mean_s = sum(saved) / len(saved)
        elif current_s is not None:
            mean_s = elapsed_s + current_s
        else:
            return None
        waiting = len(self.items) - len(self.results)
        if progress is None:
            return mean_s * waiting
        if current_s is None:
            current_s = max(0.0, mean_s - elapsed_s)
        return current_s + mean_s * (waiting - 1)


def _write(item: BatchItem, segmentation: Segmentation, *, overwrite: bool) -> None:
    """Write the mask, the probabilities before it: the mask is the mark of done."""
    from napari_mednext.formats import save_segmentation, save_volume

    probabilities = getattr(segmentation, "probabilities", None)
    if probabilities is None:
        save_segmentation(segmentation, item.output, overwrite=overwrite)
        return
    beside = item.probabilities_output
    was_there = beside.exists()
    scores = Volume(probabilities, segmentation.grid, source=segmentation.source)
    save_volume(scores, beside, overwrite=overwrite)
    try:
        save_segmentation(segmentation, item.output, overwrite=overwrite)
    except BaseException:
        if not was_there:
            with contextlib.suppress(OSError):
                beside.unlink()
        raise
