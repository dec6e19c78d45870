"""A segmentation engine for tests: no torch, and the name of the model says what."""

import os
import sys
import time

import numpy as np

from napari_mednext.app.engine import WithDoubt
from napari_mednext.errors import ChannelError
from napari_mednext.progress import Progress, check_cancelled
from napari_mednext.volume import Segmentation


class FakeBackend:
    """Labels every voxel above zero with 1, in one tile a plane."""

    def warm(self):
        sys.stdout.write("a library prints something\n")
        os.system("echo so does a program")
        return ("cpu", "cuda:0")

    def load(self, model, device):
        self.loaded = (model, device)

    def segment(self, request, *, on_progress, on_preview, cancel):
        sys.stdout.write("and again")
        what = request["model"]
        if what == "refuse":
            msg = "the model expects 1 channel, got 2: choose one"
            raise ChannelError(msg)
        if what == "bug":
            return 1 / 0
        if what == "memory":
            raise MemoryError
        if what == "deaf":
            time.sleep(60)
        volume = request["volume"]
        labels = (volume.array[0] > 0).astype(np.uint8)
        planes = labels.shape[0]
        done = 0
        while done < planes or what == "endless":
            check_cancelled(cancel)
            time.sleep(0.001)
            done += 1
            on_progress(Progress(done, planes, "segmenting", 1.0, 2.0))
            if on_preview is not None and done <= planes:
                on_preview(
                    Part(
                        (slice(done - 1, done), slice(None), slice(None)),
                        labels[done - 1 : done],
                    )
                )
        parts = {"names": {1: "bright"}, "source": volume.source}
        if request["doubt"]:
            # Voxels near zero could be either.
            doubt = (255 * np.exp(-np.abs(volume.array[0]))).astype(np.uint8)
            return WithDoubt(labels, volume.grid, **parts, doubt=doubt)
        return Segmentation(labels, volume.grid, **parts)


class Part:
    def __init__(self, slices, labels):
        self.slices = slices
        self.labels = labels
