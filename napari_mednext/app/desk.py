"""The desk of an annotator: one case in hand, the next one made ready beside it."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.app.ahead import Ahead
from napari_mednext.app.case_keeping import (
    accept_case,
    keep_answer,
    read_mask,
    save_case,
    touch_case,
)
from napari_mednext.app.open_case import Answer, OpenCase, renumbered
from napari_mednext.correction.annotation import AnnotationFiles, open_annotation
from napari_mednext.correction.provenance import HUMAN, REVIEWED
from napari_mednext.errors import InputError, MednextError
from napari_mednext.formats import open_volume
from napari_mednext.progress import Progress, check_cancelled
from napari_mednext.study import ActivityClock, CaseState
from napari_mednext.volume import Volume, reorient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.app.service import PreviewCallback
    from napari_mednext.app.session import Session
    from napari_mednext.correction.annotation import Annotation
    from napari_mednext.progress import CancelFlag, ProgressCallback
    from napari_mednext.settings import InferenceSettings
    from napari_mednext.study import Case, ModelVersion, Study

__all__ = ["Desk"]

_LOG = logging.getLogger(__name__)
#: What a mask that came with a case is called among the models.
IMPORTED = "imported prediction"


class Desk:
    """Opens the cases of a study, and makes the next one ready.

    The methods may be called from any thread; those that read, segment or write take
    their time and belong into a worker.

    Parameters
    ----------
    session : Session
        Whose engine segments.
    study : Study
        Open; it is not closed with the desk.
    model : str or Path, optional
        Name of an installed model, or its folder; without one nothing is segmented.
    settings : InferenceSettings, optional
        How to segment.
    on_problem : callable, optional
        Called with the name of a case and a sentence, when steps cannot be written, or
        None when they can again; in another thread.
    """

    def __init__(
        self,
        session: Session,
        study: Study,
        *,
        model: str | Path | None = None,
        settings: InferenceSettings | None = None,
        on_problem: Callable[[str, str | None], None] | None = None,
    ) -> None:
        self.session = session
        self.study = study
        self.model = model
        self.settings = settings
        self._on_problem = on_problem
        self._guard = threading.Lock()
        self._ahead: Ahead | None = None
        #: Those that were stopped, and hold their case until they are over.
        self._stopping: list[Ahead] = []
        self._is_closed = False

    def open(
        self,
        name: str,
        *,
        on_progress: ProgressCallback | None = None,
        on_preview: PreviewCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> OpenCase:
        """Open a case: at once when it was made ready, else read and segment it.

        Parameters
        ----------
        name : str
            Of the case.
        on_progress, on_preview : callable, optional
            Told while it is segmented.
        cancel : CancelFlag, optional
            Obeyed within one tile.

        Returns
        -------
        OpenCase
            Read-only when another window has it.
        """
        self.yield_engine(name)
        with self._guard:
            ahead = self._ahead
            if ahead is not None and ahead.name == name:
                self._ahead = None
                self._stopping.append(ahead)
        if ahead is not None and ahead.name == name:
            ready = ahead.take(cancel)
            if ready is not None:
                return ready
        self._wait_for(name, cancel)
        return self._open(name, on_progress, on_preview, cancel)

    def prepare(self, name: str) -> None:
        """Make a case ready, so that :meth:`open` gives it at once; ends when it is.

        Errors are kept for :meth:`open`, which then tries itself, as it does with a
        case that another window has: it may be free by then.
        """
        with self._guard:
            if self._is_closed or (self._ahead and self._ahead.name == name):
                return
            self._drop()
            ahead = self._ahead = Ahead(name)
        opened = None
        try:
            self._wait_for(name, ahead.cancel)
            opened = self._open(name, None, None, ahead.cancel)
            if opened.is_read_only:
                opened.close()
                opened = None
        except MednextError:
            _LOG.info("%s could not be made ready", name, exc_info=True)
        finally:
            ahead.finish(opened)

    @property
    def prepared(self) -> str | None:
        """Name of the case that is ready, None while there is none."""
        ahead = self._ahead
        return ahead.name if ahead is not None and ahead.is_ready else None

    def use_model(self, model: str | Path | None) -> None:
        """Segment with another model from now on; what was made ready is dropped."""
        with self._guard:
            is_new, self.model = model != self.model, model
            if is_new:
                self._drop()

    def yield_engine(self, name: str = "") -> None:
        """Stop segmenting ahead, unless the case of this name: the engine is wanted."""
        with self._guard:
            ahead = self._ahead
            if ahead is not None and not ahead.is_over and ahead.name != name:
                self._drop()

    def segment(
        self,
        case: OpenCase,
        *,
        roi: tuple[slice, slice, slice] | None = None,
        focus: tuple[int, int, int] | None = None,
        on_progress: ProgressCallback | None = None,
        on_preview: PreviewCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> Answer:
        """Have the study's model segment a case, or a box of it; nothing is changed.

        Parameters
        ----------
        case : OpenCase
            Which case.
        roi : three slices, optional
            In voxels of the turned scan: only this box is segmented.
        focus : (z, y, x) voxels, optional
            Tiles near it come first.
        on_progress, on_preview, cancel : optional
            As for :meth:`open`.

        Returns
        -------
        Answer
            Of the whole shape; outside the box 0.
        """
        self.yield_engine()
        answer, _ = self._segment(
            case.volume,
            roi=roi,
            focus=focus,
            on_progress=on_progress,
            on_preview=on_preview,
            cancel=cancel,
        )
        return answer

    def keep_answer(self, case: OpenCase, answer: Answer) -> None:
        """Keep a model's answer for the whole of a case on disk, and its figures."""
        keep_answer(self.study, case, answer)

    def save(self, case: OpenCase) -> None:
        """Fold the steps into the files; ``StorageError`` when that cannot be done."""
        save_case(self.study, case)

    def touch(self, case: OpenCase) -> None:
        """Say that a person works on a case, unless it is closed, perhaps accepted."""
        with case.keeping:
            if not case.is_closed:
                touch_case(self.study, case)

    def accept(self, case: OpenCase) -> None:
        """Tick the whole case as reviewed, save it, and count it as done.

        ``StorageError`` when another window has it, or something cannot be written.
        """
        accept_case(self.study, case)

    def flag(self, case: OpenCase, comment: str) -> None:
        """Set a case aside for somebody to look at, with a comment."""
        self.study.set_state(case.name, CaseState.FLAGGED, comment=comment)

    def put_away(self, case: OpenCase, *, accept: bool = False) -> None:
        """Save a case, or accept it, and let others have it; a second time is nothing.

        ``StorageError`` when it cannot be saved; then it stays open.
        """
        with case.keeping:
            if case.is_closed:
                return
            if accept:
                self.accept(case)
            else:
                self.save(case)
            case.close()

    def close(self) -> None:
        """Stop what is being made ready, and let go of it."""
        with self._guard:
            self._is_closed = True
            self._drop()

    def _drop(self) -> None:
        """Stop what is being made ready; the guard is held."""
        ahead, self._ahead = self._ahead, None
        self._stopping = [each for each in self._stopping if not each.is_over]
        if ahead is not None:
            self._stopping.append(ahead)
            ahead.discard()

    def _wait_for(self, name: str, cancel: CancelFlag | None) -> None:
        """Wait until nobody who was stopped here holds a case any more."""
        with self._guard:
            stopping = [each for each in self._stopping if each.name == name]
        for each in stopping:
            each.wait(cancel)

    def _open(
        self,
        name: str,
        on_progress: ProgressCallback | None,
        on_preview: PreviewCallback | None,
        cancel: CancelFlag | None,
    ) -> OpenCase:
        """Read a case, with its first labels when it has none."""
        case = self.study.case(name)
        if on_progress is not None:
            on_progress(Progress(0, 1, f"reading {name}"))
        volume = reorient(open_volume(case.images), "LPS")
        volume = replace(volume, array=np.ascontiguousarray(volume.array), name=name)
        check_cancelled(cancel)
        with contextlib.ExitStack() as undo:
            lock = self.study.lock(name)
            undo.callback(lock.release)
            annotation = self._annotation(case, volume, is_ours=lock.held)
            undo.callback(annotation.close)
            opened = OpenCase(
                case,
                annotation,
                self.study.labels,
                ActivityClock(),
                lock=lock if lock.held else None,
                holder="" if lock.held else str(lock),
                notes=(*volume.source.notes, *annotation.notes),
            )
            self._fill(opened, on_progress, on_preview, cancel)
            undo.pop_all()
        return opened

    def _annotation(self, case: Case, volume: Volume, *, is_ours: bool) -> Annotation:
        """Open the labels of a case."""
        paths = self.study.folder.case(case.name)
        widest = max((label.value for label in self.study.labels), default=0)
        name, tell = case.name, self._on_problem
        return open_annotation(
            volume,
            AnnotationFiles(paths.annotation, paths.provenance, paths.journal),
            dtype=np.uint8 if widest <= np.iinfo(np.uint8).max else np.uint16,
            read_only=not is_ours,
            on_problem=None if tell is None else lambda text: tell(name, text),
        )

    def _fill(
        self,
        opened: OpenCase,
        on_progress: ProgressCallback | None,
        on_preview: PreviewCallback | None,
        cancel: CancelFlag | None,
    ) -> None:
        """Find what a model said, and give a fresh case its first labels."""
        editing, case = opened.editing, opened.case
        # What was taken back was there: whoever did so wants no labels again.
        is_fresh = not (
            editing.history.done
            or editing.history.undone
            or opened.annotation.files.labels.exists()
        )
        opened.answer = self._known_answer(opened)
        wants_answer = opened.answer is None and is_fresh and case.labels is None
        if self._is_outdated(opened):
            wants_answer = is_fresh = True
        if wants_answer and self.model is not None and not opened.is_read_only:
            answer, notes = self._segment(
                opened.volume,
                on_progress=on_progress,
                on_preview=on_preview,
                cancel=cancel,
            )
            self.keep_answer(opened, answer)
            opened.notes = (*opened.notes, *notes)
        if not is_fresh or opened.is_read_only:
            opened.opening = editing.labels.copy()
            return
        if case.labels is not None:
            mask = read_mask(case.labels, opened.volume)
            editing.replace(mask, HUMAN, f"import {case.labels.name}")
        elif opened.answer is not None:
            editing.predict(opened.answer.labels, opened.code)
        now = self.study.case(case.name).state
        if now is CaseState.NEW and editing.history.done:
            self.study.set_state(case.name, CaseState.PREDICTED)
        opened.opening = editing.labels.copy()

    def _is_outdated(self, opened: OpenCase) -> bool:
        """Whether a case shows what another model said, and nobody worked on it."""
        answer, now = opened.answer, None
        if opened.case.state is not CaseState.PREDICTED or opened.case.labels:
            return False
        if answer is None or (opened.editing.provenance & REVIEWED).any():
            return False
        with contextlib.suppress(MednextError):  # a model that is gone may be missed
            now = self.version()
        return now is not None and now != answer.version

    def _known_answer(self, opened: OpenCase) -> Answer | None:
        """Return the answer on disk of the study's model, else of the last one."""
        case, versions = opened.case, []
        with contextlib.suppress(MednextError):  # a model that is gone may be missed
            versions.append(self.version())
        for version in [v for v in (*versions, case.model) if v is not None]:
            paths = self.study.folder.case(case.name, version)
            if paths.prediction is not None and paths.prediction.exists():
                labels, doubt = read_mask(paths.prediction, opened.volume), None
                if paths.doubt is not None and paths.doubt.exists():
                    doubt = read_mask(paths.doubt, opened.volume)
                return Answer(version, labels, doubt)
        if case.prediction is not None:
            code = self.study.model_code(IMPORTED, "")
            labels = read_mask(case.prediction, opened.volume)
            return Answer(self.study.model(code), labels)
        return None

    def version(self) -> ModelVersion | None:
        """Return the study's model as a version of the study, None without one."""
        if self.model is None:
            return None
        from napari_mednext.models import find_model

        folder = find_model(self.model)
        return self.study.model(self.study.model_code(folder.name, folder.sha256))

    def _segment(
        self, volume: Volume, **options: Any
    ) -> tuple[Answer, tuple[str, ...]]:
        """Segment a scan with the study's model."""
        version = self.version()
        if version is None or self.model is None:
            msg = "a model must be chosen before a case is segmented: choose one"
            raise InputError(msg)
        result = self.session.service.segment(
            volume, model=self.model, settings=self.settings, doubt=True, **options
        )
        labels, missing = renumbered(result.array, result.names, self.study.labels)
        known = set(volume.source.notes)
        notes = [note for note in result.source.notes if note not in known]
        notes += [finding.sentence for finding in result.quality.warnings]
        if missing:
            notes.append(
                f"the study has no label for {', '.join(missing)} of the model: those "
                "parts became background"
            )
        doubt = getattr(result, "doubt", None)
        return Answer(version, labels, doubt), tuple(notes)
