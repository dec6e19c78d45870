"""A loaded model, and segmenting volumes with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from napari_mednext.errors import ChannelError, ModelError, ResourceError
from napari_mednext.inference.case import Case, prepare_case
from napari_mednext.inference.confidence import ConfidenceMeter
from napari_mednext.inference.devices import is_out_of_memory, resolve_device
from napari_mednext.inference.engines import Engine, make_engine
from napari_mednext.inference.ladder import Ladder, placements
from napari_mednext.inference.preview import PreviewCallback, Previewer
from napari_mednext.inference.quality import judge
from napari_mednext.inference.results import Scores, segmentation_of
from napari_mednext.inference.sides import with_sides
from napari_mednext.inference.sliding import SlidingWindow
from napari_mednext.models import ModelFolder, find_model
from napari_mednext.network import build, load_weights
from napari_mednext.preprocessing import pad_to, preprocess
from napari_mednext.progress import Progress, check_cancelled
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import Segmentation, SourceHeader, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_mednext.inference.memory import MemoryPlan
    from napari_mednext.progress import CancelFlag, ProgressCallback

__all__ = ["Model", "load_model"]


@dataclass
class Model:
    """A model folder with its networks in memory.

    Parameters
    ----------
    folder : ModelFolder
        Where it came from.
    networks : tuple of nn.Module
        One a fold, in evaluation mode.
    device : str
        Where they run unless settings say otherwise.
    """

    folder: ModelFolder
    networks: tuple[nn.Module, ...]
    device: str = "cpu"
    _footprints: dict[tuple[str, str], int] = field(default_factory=dict, repr=False)

    @property
    def label_dtype(self) -> type[np.unsignedinteger[Any]]:
        """uint8 below 255 labels, else uint16."""
        values = self.folder.labels.names
        return np.uint8 if max(values, default=0) < 255 else np.uint16

    def plan_memory(
        self,
        volume: Volume,
        *,
        settings: InferenceSettings | None = None,
        roi: Sequence[slice] | None = None,
        focus: Sequence[float] | None = None,
        probabilities: bool = False,
        doubt: bool = False,
    ) -> MemoryPlan:
        """Return what segmenting a volume will take, without doing it.

        Parameters
        ----------
        volume, settings, roi, focus, probabilities, doubt
            As for :meth:`segment`.

        Returns
        -------
        MemoryPlan

        Raises
        ------
        ChannelError
            If the volume's channels are not the model's.
        InputError
            If the region of interest holds no voxel.
        ResourceError
            If nothing fits.
        """
        settings = settings or InferenceSettings()
        engine = self._engine(settings)
        case = self._case(
            volume,
            engine,
            settings,
            roi=roi,
            focus=focus,
            probabilities=probabilities,
            doubt=doubt,
        )
        return case.memory

    def segment(
        self,
        volume: Volume,
        *,
        settings: InferenceSettings | None = None,
        roi: Sequence[slice] | None = None,
        focus: Sequence[float] | None = None,
        probabilities: bool = False,
        doubt: bool = False,
        sides: bool = False,
        on_progress: ProgressCallback | None = None,
        on_preview: PreviewCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> Segmentation:
        """Segment a volume, on its own grid.

        Parameters
        ----------
        volume : Volume
            In any orientation. Not modified.
        settings : InferenceSettings, optional
            The defaults when not given.
        roi : three slices, optional
            Of the volume's (z, y, x) voxels. Only tiles that this region reads are
            run, with the normalisation of the whole volume; the labels in it are those
            of a run without it, those outside are 0.
        focus : (z, y, x) voxels, optional
            Where the user looks: tiles near it run first, when memory allows.
        probabilities : bool
            The result also carries the probabilities of all classes, as a
            :class:`napari_mednext.inference.SegmentationWithProbabilities` does.
        doubt : bool
            The result also carries the entropy of the prediction at every voxel, as a
            :class:`napari_mednext.inference.SegmentationWithDoubt` does. Labels stay
            what they are without it.
        sides : bool
            Give the left and right parts of paired labels values, names and colours of
            their own, as :class:`napari_mednext.labels.SidedLabels` says. Previews and
            probabilities stay those of the model's own labels. Where the middle cannot
            be found the labels stay whole, and a note says why.
        on_progress, on_preview : callable, optional
            Called in this thread.
        cancel : CancelFlag, optional
            Takes effect within one tile.

        Returns
        -------
        Segmentation
            ``source.notes`` tells, after the volume's own notes, what was repaired and
            what went otherwise than planned; ``quality`` whether scan and labels are
            like what the model knows.

        Raises
        ------
        ChannelError
            If the volume's channels are not the model's.
        InputError
            If the region of interest holds no voxel, or a channel no finite value.
        ModelError
            If the plans ask for something that is not there, or sides are asked for
            that the model's labels do not have.
        ResourceError
            If nothing fits into memory, or the device is not there.
        Cancelled
            If ``cancel`` was set.
        """
        settings = settings or InferenceSettings()
        sided = self.folder.require_sides() if sides else None
        check_cancelled(cancel)
        engine = self._engine(settings)
        case = self._case(
            volume,
            engine,
            settings,
            roi=roi,
            focus=focus,
            probabilities=probabilities,
            doubt=doubt,
        )
        if on_progress is not None:
            on_progress(Progress(0, case.tiles, "preparing the volume"))
        try:
            data, repairs = self._input(case, cancel)
            labels = np.zeros(volume.grid.shape, dtype=self.label_dtype)
            scores = Scores.empty(
                volume,
                self.folder.num_heads,
                with_regions=case.decision.region_values is not None,
                probabilities=probabilities,
                doubt=doubt,
            )
        except MemoryError as error:
            msg = (
                f"segmenting {volume.name!r} needs more memory than there is: close "
                "other programs or choose a region of interest"
            )
            raise ResourceError(msg) from error
        steps = placements(
            str(engine.device),
            sums_on_device=case.memory.sums_on_device,
            can_work_in_pieces=engine.can_work_in_pieces,
        )
        ladder = Ladder(steps, engine)
        inside = scores.through(case.cropped_view)
        confidence = ConfidenceMeter(case.decision)
        window = SlidingWindow(
            engine,
            ladder,
            case.grid,
            case.target,
            case.decision,
            case.cropped_view(labels),
            probabilities=inside.probabilities,
            doubt=inside.doubt,
            confidence=confidence,
            streamed=case.memory.mode == "streamed",
            previewer=self._previewer(on_preview, volume, case),
            on_progress=on_progress,
            cancel=cancel,
        )
        window.run(data, case.passes)
        planned = (*volume.source.notes, *repairs, *case.memory.sentences)
        notes = (*planned, *engine.notes, *ladder.notes)
        quality = judge(
            volume,
            case.cropped_view(labels),
            self.folder,
            case.geometry,
            confidence,
            is_complete=roi is None,
        )
        source: SourceHeader = replace(volume.source, notes=tuple(notes))
        known = self.folder.labels
        found = segmentation_of(
            Segmentation(
                labels, volume.grid, known.names, known.colors, source, quality
            ),
            scores,
        )
        return found if sided is None else with_sides(found, sided, roi=roi)

    def _input(
        self, case: Case, cancel: CancelFlag | None
    ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """Return the padded input of the network, and what was repaired."""
        prepared = preprocess(
            case.image,
            case.image_spacing,
            self.folder.plan,
            geometry=case.geometry,
            cancel=cancel,
        )
        data, _ = pad_to(prepared.data, case.grid.tile)
        return data, prepared.notes

    def _engine(self, settings: InferenceSettings) -> Engine:
        """Return the engine; the networks move when another device is asked for."""
        device = self.device
        if settings.device != "auto":
            device = resolve_device(settings.device)
        return make_engine(
            settings.engine,
            self.networks,
            heads=self.folder.num_heads,
            device=device,
            mirror_axes=self.folder.mirror_axes if settings.mirror else (),
        )

    def _case(
        self,
        volume: Volume,
        engine: Engine,
        settings: InferenceSettings,
        *,
        roi: Sequence[slice] | None,
        focus: Sequence[float] | None,
        probabilities: bool,
        doubt: bool,
    ) -> Case:
        """All that is known before the run."""
        self._check_channels(volume)
        return prepare_case(
            volume,
            self.folder,
            engine,
            settings,
            label_bytes=np.dtype(self.label_dtype).itemsize,
            roi=roi,
            focus=focus,
            probabilities=probabilities,
            doubt=doubt,
            footprints=self._footprints,
        )

    def _check_channels(self, volume: Volume) -> None:
        """Refuse a volume with other channels than the model's."""
        names = self.folder.channel_names
        if volume.channels != len(names):
            expected = ", ".join(f"{i}: {name}" for i, name in enumerate(names))
            msg = (
                f"the volume {volume.name!r} must have as many channels as the model "
                f"{self.folder.name!r}, {len(names)} ({expected}), it has "
                f"{volume.channels}: choose files or a model that fit"
            )
            raise ChannelError(msg)

    def _previewer(
        self, callback: PreviewCallback | None, volume: Volume, case: Case
    ) -> Previewer | None:
        """Return what makes previews, when anybody wants them."""
        if callback is None:
            return None
        return Previewer(
            callback,
            turn=case.turn,
            shape=volume.grid.shape,
            box=case.geometry.box,
            target=case.target,
            decision=case.decision,
            dtype=self.label_dtype,
        )


def load_model(name_or_folder: str | Path, *, device: str = "auto") -> Model:
    """Load a model and its weights.

    Parameters
    ----------
    name_or_folder : str or Path
        Name of an installed model, or a model folder.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If the folder cannot be used, or its weights are not those of its network.
    UnsafeModelError
        If loading it would run foreign code.
    ResourceError
        If the device is not there.
    RuntimeError
        If the device fails in another way than by a lack of memory.
    """
    folder = find_model(name_or_folder)
    place = resolve_device(device)
    networks = tuple(_load_network(folder, fold) for fold in folder.folds)
    try:
        for network in networks:
            network.to(place)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        # The run tries again, and tells when the network does not fit.
        for network in networks:
            network.to("cpu")
    return Model(folder, networks, place)


def _load_network(folder: ModelFolder, fold: str) -> nn.Module:
    """Build the network of a fold and fill in its weights."""
    weights = folder.load_weights(fold)
    network = build(
        folder.plan.network_class_name,
        input_channels=folder.input_channels,
        num_classes=folder.num_heads,
        arch_kwargs=folder.plan.arch_kwargs,
    )
    try:
        load_weights(network, weights)
    except ModelError as error:
        msg = f"fold {fold} of the model {folder.name!r} cannot be used: {error}"
        raise ModelError(msg) from error
    return network.eval().requires_grad_(requires_grad=False)
