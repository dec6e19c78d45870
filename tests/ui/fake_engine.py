"""A segmentation engine for GUI tests: no torch, and the model's name says what."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_mednext.app import Session
from napari_mednext.app.engine import WithDoubt
from napari_mednext.app.service import SegmentService
from napari_mednext.errors import ChannelError
from napari_mednext.labels import LabelSet, SidedLabels
from napari_mednext.models import ModelInfo
from napari_mednext.progress import Stopwatch, check_cancelled
from napari_mednext.volume import Finding, Quality, Segmentation

LABELS = LabelSet.from_names({1: "dark", 2: "middle", 3: "bright"})
SIDED = SidedLabels(LABELS, paired=(1, 2), midline=(3,))
TILE = 48
#: What the model "doubtful" finds.
DOUBTS = (
    Finding("odd", "warning", "it is odd: look at it"),
    Finding("small", "notice", "it is small: look"),
)


def model(name, labels=LABELS):
    sides = SIDED if name == "sided" else None
    path = Path("/models") / name
    return ModelInfo(name, f"Fake {name}", path, "any", labels, sides=sides)


def with_sides(segmentation):
    """The lower half of the columns is left."""
    array = segmentation.array.copy()
    half = array.shape[2] // 2
    for value in SIDED.paired:
        for part, to in ((slice(half), SIDED.left), (slice(half, None), SIDED.right)):
            view = array[:, :, part]
            view[view == value] = to(value)
    split = SIDED.split
    return replace(segmentation, array=array, names=split.names, colors=split.colors)


def doubt_of(array, edges):
    """Large where a grey value lies near an edge between two labels."""
    width = max((edges[-1] - edges[0]) / 8, 1e-6)
    near = np.abs(array[..., None] - edges).min(axis=-1) / width
    return np.rint(255 * np.exp(-near)).astype(np.uint8)


class FakeEngine:
    """Divides a volume by its grey values, tile by tile, nearest to the focus first."""

    def warm(self):
        return ("cpu", "cuda:0")

    def load(self, model, device):
        pass

    def segment(self, request, *, on_progress, on_preview, cancel):
        what = Path(request["model"]).name
        volume = request["volume"]
        if what == "refuse":
            msg = "the model expects 2 channels, got 1: choose another model"
            raise ChannelError(msg)
        array = volume.array[0]
        low, high = np.percentile(array[::4, ::4, ::4], (40, 99))
        edges = np.linspace(low, high, 4)[:3]
        labels = np.zeros(array.shape, np.uint8)
        tiles = self.tiles(array.shape, request["focus"])
        watch = Stopwatch(len(tiles), "segmenting")
        on_progress(watch.at(0))
        for done, tile in enumerate(tiles, start=1):
            check_cancelled(cancel)
            labels[tile] = np.digitize(array[tile], edges)
            if on_preview is not None:
                on_preview(Part(tile, labels[tile]))
            on_progress(watch.at(done))
            if what == "slow":
                time.sleep(0.05)
            while what == "endless" and done == 2:
                check_cancelled(cancel)
                time.sleep(0.01)
        notes = (*volume.source.notes, "the GPU ran out of memory: went on slowly")
        source = replace(volume.source, notes=notes) if what == "notes" else None
        parts = (
            labels,
            volume.grid,
            LABELS.names,
            LABELS.colors,
            source or volume.source,
            Quality(DOUBTS if what == "doubtful" else ()),
        )
        found = Segmentation(*parts)
        if request.get("doubt"):
            found = WithDoubt(*parts, doubt=doubt_of(array, edges))
        return with_sides(found) if request["sides"] else found

    def tiles(self, shape, focus):
        starts = itertools.product(*(range(0, n, TILE) for n in shape))
        tiles = [
            tuple(slice(s, min(s + TILE, n)) for s, n in zip(start, shape, strict=True))
            for start in starts
        ]
        if focus is None:
            return tiles

        def distance(tile):
            middles = ((s.start + s.stop) / 2 for s in tile)
            return sum((m - f) ** 2 for m, f in zip(middles, focus, strict=True))

        return sorted(tiles, key=distance)


@dataclass
class Part:
    slices: tuple
    labels: np.ndarray


class FakeSession(Session):
    """The real session with the fake engine in a real child process."""

    def __init__(self, *names, patience_s=2.0):
        super().__init__(
            service=SegmentService(
                backend="tests.ui.fake_engine:FakeEngine", patience_s=patience_s
            )
        )
        self.names = names or ("quick",)

    def models(self):
        return tuple(model(name) for name in self.names)
