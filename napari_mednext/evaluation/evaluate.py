"""From files and folders of masks to an :class:`Evaluation`."""

from __future__ import annotations

import datetime
import importlib.metadata
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import Cancelled, GeometryError, InputError, MednextError
from napari_mednext.evaluation import statistics
from napari_mednext.evaluation.metrics import evaluate_arrays, label_values
from napari_mednext.evaluation.pairing import Pair, Pairing, find_pairs
from napari_mednext.evaluation.regions import Regions, label_names
from napari_mednext.evaluation.results import CaseResult, Evaluation
from napari_mednext.formats import open_volume
from napari_mednext.progress import Progress, Stopwatch, check_cancelled
from napari_mednext.volume import VoxelGrid, turn_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.progress import CancelFlag, ProgressCallback
    from napari_mednext.volume import Volume

__all__ = ["GRID_TOLERANCE_MM", "evaluate"]

#: As channels of one volume: no harm to a mask, and more than headers round.
GRID_TOLERANCE_MM = 1e-2
_SOFTWARE = ("napari-mednext", "numpy", "scipy", "scikit-image", "SimpleITK")


def evaluate(
    predictions: str | Path,
    references: str | Path,
    *,
    images: str | Path | None = None,
    regions: Regions | None = None,
    other: str | Path | None = None,
    tolerances_mm: Sequence[float] = (1.0, 2.0),
    resample: bool = False,
    on_progress: ProgressCallback | None = None,
    cancel: CancelFlag | None = None,
) -> Evaluation:
    """Compare masks with references, and with the masks of another model.

    A case that cannot be evaluated is named in ``failures`` and the others go on. With
    ``other``, its result stands in ``other`` and the comparison in ``comparisons``.

    Parameters
    ----------
    predictions, references : path
        A file or a folder each; folders are paired by file name.
    images : path, optional
        The scans, for pictures.
    regions : Regions, optional
        What to compare. When left out: every label value of either side, with names
        from a ``dataset.json`` in or above the folders.
    other : path, optional
        Predictions of a second model for the same references.
    tolerances_mm : sequence of float
        For surface Dice; at least one, none negative.
    resample : bool
        Whether predictions on another grid are brought to that of the reference, by
        nearest neighbours. Else they are failures. The same voxels in another order of
        storage are the same grid.
    on_progress : callable, optional
        Told after every label.
    cancel : CancelFlag, optional
        Looked at before every label.

    Returns
    -------
    Evaluation
        Of ``predictions``.

    Raises
    ------
    InputError
        If a path is not there, a folder holds no image, or a tolerance is impossible.
    Cancelled
        If ``cancel`` is set.
    """
    tolerances = tuple(sorted({float(each) for each in tolerances_mm}))
    if not tolerances or not all(np.isfinite(t) and t >= 0 for t in tolerances):
        msg = f"a tolerance must be at least 0 mm, got {tolerances_mm}: name another"
        raise InputError(msg)
    sides = [Path(predictions), *([] if other is None else [Path(other)])]
    pairings = [find_pairs(side, references, images) for side in sides]
    names = {} if regions else label_names(_folders(*sides, Path(references)))
    run = _Run(
        regions,
        names,
        tolerances,
        resample=resample,
        watch=Stopwatch(sum(len(pairing.pairs) for pairing in pairings), "evaluating"),
        on_progress=on_progress,
        cancel=cancel,
    )
    titles = _titles(sides)
    results = [
        run.model(title, pairing)
        for title, pairing in zip(titles, pairings, strict=True)
    ]
    if len(results) == 1:
        return results[0]
    first, second = results
    comparisons = statistics.compare(first.cases, second.cases)
    return replace(first, other=second, comparisons=comparisons)


class _Run:
    """One call: what all its cases share."""

    def __init__(
        self,
        regions: Regions | None,
        names: dict[int, str],
        tolerances_mm: tuple[float, ...],
        *,
        resample: bool,
        watch: Stopwatch,
        on_progress: ProgressCallback | None,
        cancel: CancelFlag | None,
    ) -> None:
        self.regions = regions
        self.names = names
        self.tolerances_mm = tolerances_mm
        self.resample = resample
        self.watch = watch
        self.on_progress = on_progress
        self.cancel = cancel
        self.done = 0

    def model(self, title: str, pairing: Pairing) -> Evaluation:
        """Evaluate the pairs of one model."""
        cases: list[CaseResult] = []
        failures = list(pairing.failures)
        for pair in pairing.pairs:
            check_cancelled(self.cancel)
            self._tell(0.0, pair.case)
            try:
                cases.append(self._case(pair))
            except Cancelled:
                raise
            except (MednextError, OSError) as error:
                failures.append((pair.case, str(error)))
            self.done += 1
            self._tell(0.0, pair.case)
        return Evaluation(
            title=title,
            cases=tuple(cases),
            summaries=statistics.summarise(cases),
            failures=tuple(failures),
            settings=self._settings(cases),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            software=_software(),
        )

    def _case(self, pair: Pair) -> CaseResult:
        """Evaluate one pair."""
        started_s = time.monotonic()
        reference = open_volume(pair.reference)
        prediction = open_volume(pair.prediction)
        true = _single(reference, "a reference")
        predicted = _single(prediction, "a prediction")
        predicted, notes = _on_grid(
            predicted, prediction.grid, reference.grid, resample=self.resample
        )
        regions = self.regions
        if regions is None:
            values = {*np.unique(predicted).tolist(), *np.unique(true).tolist()} - {0}
            regions = Regions.of_labels(values, self.names) if values else None
        labels = evaluate_arrays(
            predicted,
            true,
            reference.grid.spacing,
            regions,
            tolerances_mm=self.tolerances_mm,
            cancel=self.cancel,
            on_region=lambda done, total: self._tell(done / total, pair.case),
        )
        if not labels:
            notes = (*notes, "both masks are empty, so nothing is counted")
        return CaseResult(
            case=pair.case,
            group=pair.group,
            prediction=pair.prediction,
            reference=pair.reference,
            image=pair.image,
            labels=labels,
            seconds=round(time.monotonic() - started_s, 3),
            notes=notes,
        )

    def _tell(self, part: float, case: str) -> None:
        """Tell how much is done, with parts of a case in the time that is left."""
        if self.on_progress is None:
            return
        watch = self.watch
        elapsed_s = time.monotonic() - watch.started_s
        whole = self.done + part
        left_s = elapsed_s / whole * (watch.total - whole) if whole else None
        self.on_progress(Progress(self.done, watch.total, case, elapsed_s, left_s))

    def _settings(self, cases: Sequence[CaseResult]) -> dict[str, Any]:
        """Return what was asked for, as JSON values."""
        if self.regions is not None:
            document = self.regions.to_dict()
            labels, ignored = document["regions"], document["ignore_reference"]
        else:
            known = {label.name: label.value for case in cases for label in case.labels}
            labels = [
                {"name": name, "prediction": [value], "reference": [value]}
                for name, value in known.items()
            ]
            ignored = []
        return {
            "labels": labels,
            "ignore_reference": ignored,
            "tolerances_mm": list(self.tolerances_mm),
            "resample": self.resample,
            "interval": "95 % by percentiles of the bootstrap over cases",
            "resamples": statistics.RESAMPLES,
            "seed": statistics.SEED,
        }


def _single(volume: Volume, what: str) -> NDArray[np.unsignedinteger]:
    """Return the label map of a volume with one channel.

    Raises
    ------
    InputError
        If it has several.
    """
    if volume.channels != 1:
        msg = f"{what} must have one channel, got {volume.channels}: choose a label map"
        raise InputError(msg)
    return label_values(volume.array[0], what)


def _on_grid(
    array: NDArray[np.unsignedinteger],
    grid: VoxelGrid,
    target: VoxelGrid,
    *,
    resample: bool,
) -> tuple[NDArray[np.unsignedinteger], tuple[str, ...]]:
    """Return a prediction on the grid of its reference, and what was done for it.

    Raises
    ------
    GeometryError
        If it lies on another grid and must not be resampled.
    """
    if grid.is_close(target, tolerance_mm=GRID_TOLERANCE_MM):
        return array, ()
    turn = turn_between(grid, target)
    if turn is not None:
        turned = turn.array(array[None])[0]
        return turned, ("the prediction was stored in another order, and turned",)
    if not resample:
        msg = (
            "a prediction must lie on the grid of its reference within "
            f"{GRID_TOLERANCE_MM} mm, but {_difference(grid, target)}: resample it, or "
            "ask for it"
        )
        raise GeometryError(msg)
    return _resampled(array, grid, target), (
        "the prediction was resampled to the reference by nearest neighbours",
    )


def _difference(grid: VoxelGrid, target: VoxelGrid) -> str:
    """Return what differs between two grids, for people."""
    if grid.shape != target.shape:
        return f"its shape (z, y, x) is {grid.shape} and not {target.shape}"
    if not np.allclose(grid.spacing, target.spacing, rtol=1e-4):
        ours, theirs = (
            tuple(round(mm, 4) for mm in each.spacing) for each in (grid, target)
        )
        return f"its spacing (z, y, x) is {ours} and not {theirs} mm"
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T
    gap = np.linalg.norm(grid.to_world(corners) - target.to_world(corners), axis=1)
    return f"it lies up to {gap.max():.2f} mm away"


def _resampled(
    array: NDArray[np.unsignedinteger], grid: VoxelGrid, target: VoxelGrid
) -> NDArray[np.unsignedinteger]:
    """Return labels on another grid by nearest neighbours; 0 outside."""
    from scipy import ndimage

    step = np.linalg.solve(grid.affine, target.affine)  # target index -> grid index
    result: NDArray[np.unsignedinteger] = ndimage.affine_transform(
        array,
        step[:3, :3],
        step[:3, 3],
        output_shape=target.shape,
        order=0,
        mode="grid-constant",  # "constant" would drop half a voxel at the border
        cval=0,
        prefilter=False,
    )
    return result


def _folders(*paths: Path) -> list[Path]:
    """Return the folders in which names of labels may stand, nearest first."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    return [each for folder in folders for each in (folder, folder.absolute().parent)]


def _titles(sides: Sequence[Path]) -> list[str]:
    """Return what to call the models: their paths, shortened to what differs."""
    names = [side.absolute().name for side in sides]
    return names if len(set(names)) == len(names) else [str(side) for side in sides]


def _software() -> dict[str, str]:
    """Return the versions of what makes the numbers."""
    return {name: importlib.metadata.version(name) for name in _SOFTWARE}
