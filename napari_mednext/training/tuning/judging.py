"""Asking the model in use and the new one about held-out voxels, and comparing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.formats import open_volume, save_segmentation
from napari_mednext.inference import load_model
from napari_mednext.labels.labelset import label_key
from napari_mednext.settings import InferenceSettings
from napari_mednext.training.gate.cases import GateCase
from napari_mednext.training.gate.comparing import compare_gate
from napari_mednext.training.gate.pictures import change_pictures, write_pictures
from napari_mednext.training.gate.report import write_report
from napari_mednext.training.gate.suspicion import (
    correction_of,
    suspicions_over_cases,
)
from napari_mednext.volume import Segmentation
from napari_mednext.volume.orientation import turn_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_mednext.inference import Model
    from napari_mednext.models import ModelFolder
    from napari_mednext.training.gate.report import GateReport
    from napari_mednext.training.gate.splits import Fold, Split
    from napari_mednext.training.gate.verdict import Suspicion
    from napari_mednext.training.tuning.loading import LearnedCase
    from napari_mednext.training.tuning.order import ImproveOrder

__all__ = ["Judge"]

#: Voxels around what is judged that are segmented as well, for pictures and surfaces.
_MARGIN = 8


class Judge:
    """Asks models and compares what they say; every answer is kept in the job.

    Parameters
    ----------
    order : ImproveOrder
        What is wanted.
    folder : Path
        Of the job.
    device : str
        Where models run.
    check : callable
        Called between two answers; raises when the job is cancelled.
    """

    def __init__(
        self,
        order: ImproveOrder,
        folder: Path,
        device: str,
        check: Callable[[], None],
    ) -> None:
        self._order = order
        self._folder = folder
        self._check = check
        # Mirroring takes twice the time and changes both models' answers alike.
        self._settings = InferenceSettings(mirror=False, device=device)
        self._value_of = {label_key(label.name): label.value for label in order.labels}

    def ask_before(
        self, teacher: ModelFolder, cases: Mapping[str, LearnedCase], split: Split
    ) -> None:
        """Have the model in use answer what is judged, and what looks corrected.

        Parameters
        ----------
        teacher : ModelFolder
            The model in use.
        cases : mapping of str to LearnedCase
            All cases of the job.
        split : Split
            Who judges.
        """
        judged = {name for fold in split.folds for name in fold.judged}
        wanted = sorted(
            judged | {n for n, c in cases.items() if not c.frozen.is_replay}
        )
        paths = {name: self._path("before", name) for name in wanted if name in cases}
        self._ask(teacher, paths, cases, lambda name: cases[name].looked.known)

    def ask_after(
        self,
        models: Mapping[str, ModelFolder],
        cases: Mapping[str, LearnedCase],
        split: Split,
        *,
        spared: Sequence[str],
    ) -> None:
        """Have the new models answer what each of them is judged on.

        Parameters
        ----------
        models : mapping of str to ModelFolder
            Name of a fold -> the model that is judged on it.
        cases, split
            As for :meth:`ask_before`.
        spared : sequence of str
            Cases that decided when to stop, and do not judge.
        """
        for fold in split.folds:
            if fold.name not in models:
                continue
            paths = {
                name: self._path(f"after/{_slug(fold.name)}", name)
                for name in fold.judged
                if name in cases and name not in spared
            }

            def judged(name: str, fold: Fold = fold) -> NDArray[np.bool_]:
                return fold.judged_mask(name, cases[name].looked.known)

            self._ask(models[fold.name], paths, cases, judged)

    def compare(
        self,
        models: Mapping[str, ModelFolder],
        cases: Mapping[str, LearnedCase],
        split: Split,
        *,
        spared: Sequence[str],
        new_labels: frozenset[int],
    ) -> GateReport:
        """Compare the answers, and keep the report and its pictures.

        Parameters
        ----------
        models, cases, split, spared
            As for :meth:`ask_after`.
        new_labels : frozenset of int
            Values of the labels that the model in use does not know.

        Returns
        -------
        GateReport
        """
        gate = list(self._gate_cases(models, cases, split, spared))
        report = compare_gate(
            gate,
            self._order.labels,
            new_labels=new_labels,
            suspicions=self.suspicions(cases),
        )
        pictures = change_pictures(gate, self._order.labels)
        (self._folder / "pictures").mkdir(exist_ok=True)
        write_pictures(pictures, self._folder / "pictures")
        write_report(report, self._folder / "comparison.json")
        return report

    def suspicions(self, cases: Mapping[str, LearnedCase]) -> tuple[Suspicion, ...]:
        """Return what looks wrong with the corrections themselves.

        Parameters
        ----------
        cases : mapping of str to LearnedCase
            All cases of the job, after :meth:`ask_before`.

        Returns
        -------
        tuple of Suspicion
        """
        corrections = []
        for name, case in cases.items():
            path = self._path("before", name)
            if case.frozen.is_replay or not path.exists():
                continue
            self._check()
            corrections.append(
                correction_of(
                    self._read(path, case),
                    case.looked.labels,
                    case.looked.known,
                    case.volume.grid.spacing,
                    self._order.labels,
                    case=name,
                )
            )
        return suspicions_over_cases(corrections, self._order.labels)

    def _gate_cases(
        self,
        models: Mapping[str, ModelFolder],
        cases: Mapping[str, LearnedCase],
        split: Split,
        spared: Sequence[str],
    ) -> Iterator[GateCase]:
        for fold in split.folds:
            if fold.name not in models:
                continue
            for name in fold.judged:
                if name not in cases or name in spared:
                    continue
                self._check()
                case = cases[name]
                yield GateCase(
                    name=name,
                    group="old" if case.frozen.is_replay else "corrected",
                    reference=case.looked.labels,
                    known=fold.judged_mask(name, case.looked.known),
                    before=self._read(self._path("before", name), case),
                    after=self._read(
                        self._path(f"after/{_slug(fold.name)}", name), case
                    ),
                    spacing=case.volume.grid.spacing,
                    part=fold.name if name in fold.blocks else "",
                    scan=case.volume.array[0],
                    drawn=case.looked.changed,
                )

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / kind / f"{name}.nii.gz"

    def _read(self, path: Path, case: LearnedCase) -> NDArray[Any]:
        mask = open_volume(path)
        turn = turn_between(mask.grid, case.volume.grid)
        array = mask.array[0] if turn is None else turn.array(mask.array[0])
        # Not the type of the case's labels: a model may say values that they lack.
        kind = np.uint8 if array.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
        return np.ascontiguousarray(array).astype(kind)

    def _ask(
        self,
        folder: ModelFolder,
        paths: Mapping[str, Path],
        cases: Mapping[str, LearnedCase],
        of_interest: Callable[[str], NDArray[np.bool_]],
    ) -> None:
        """Have a model answer some cases, as far as that is not done yet."""
        model: Model | None = None
        for name, path in paths.items():
            mask = of_interest(name)
            if path.exists() or not mask.any():
                continue
            self._check()
            if model is None:
                model = load_model(folder.path, device=self._settings.device)
            volume = cases[name].volume
            found = model.segment(volume, settings=self._settings, roi=_box(mask))
            values = self._table(folder)[found.array]
            labels = self._order.labels
            path.parent.mkdir(parents=True, exist_ok=True)
            answer = Segmentation(
                values, volume.grid, labels.names, labels.colors, volume.source
            )
            save_segmentation(answer, path, overwrite=True)

    def _table(self, folder: ModelFolder) -> NDArray[Any]:
        """Return the study's value of each value of a model, 0 where it has none."""
        highest = max(folder.labels.names, default=0)
        widest = max(self._value_of.values(), default=0)
        kind = np.uint8 if widest <= np.iinfo(np.uint8).max else np.uint16
        table = np.zeros(highest + 1, kind)
        for label in folder.labels:
            table[label.value] = self._value_of.get(label_key(label.name), 0)
        return table


def _slug(name: str) -> str:
    return name.replace(" ", "_")


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the box around a mask, with a margin."""
    box = []
    for axis in range(3):
        others = tuple(each for each in range(3) if each != axis)
        there = np.flatnonzero(mask.any(axis=others))
        low = max(0, int(there[0]) - _MARGIN)
        box.append(slice(low, min(mask.shape[axis], int(there[-1]) + 1 + _MARGIN)))
    return box[0], box[1], box[2]
