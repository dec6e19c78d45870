"""A very small network with something to learn, and no files."""

from __future__ import annotations

import torch

from napari_mednext.labels import Label, LabelSet
from napari_mednext.network import MedNeXt
from napari_mednext.training.schedule import Schedule
from napari_mednext.training.tuning.classes import class_map
from napari_mednext.training.tuning.losses import Objective
from napari_mednext.training.tuning.run import Told, TuningRun
from napari_mednext.training.tuning.tuner import Batch, Student, Tuner

LABELS = LabelSet((Label(1, "bright", (255, 0, 0)),))
CLASSES = class_map(LABELS, LABELS)
CPU = torch.device("cpu")
PATCH = (16, 16, 16)


def network(seed=0, *, deep=True):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MedNeXt(
            1, 2, width=2, blocks=[1] * 9, ratios=[1] * 9, deep_supervision=deep
        )


def student(*, teacher=True):
    return Student(network(), network(1, deep=False) if teacher else None, (0,))


def draw(step):
    """What is bright is 1; a part is not known."""
    generator = torch.Generator().manual_seed(1000 + step)
    image = torch.randn(1, 1, *PATCH, generator=generator)
    target = (image[:, 0] > 0.3).to(torch.uint8)
    target[:, :4] = 255
    return Batch(image, target, torch.zeros(1, 3))


def tuner(*, steps=12, part="full", weight=0.3, rate=3e-3, ema=0.9):
    return Tuner(
        student(),
        part,
        Objective(CLASSES, weight),
        Schedule(steps, 2, rate, ema),
        1e-2,
        CPU,
    )


class Listener:
    """Keeps what a training tells, and stops it when asked to."""

    def __init__(self, stop_at=None):
        self.events = []
        self.pictures = []
        self.stop_at = stop_at

    def event(self, kind, **content):
        self.events.append({"event": kind, **content})

    def told(self):
        return Told(self.event, self._step, lambda *each: self.pictures.append(each))

    def _step(self, step):
        return self.stop_at is not None and step >= self.stop_at

    def kinds(self):
        return [event["event"] for event in self.events]


def run(path, listener=None, *, made=None, draw=draw, **options):
    made = made or tuner()
    listener = listener or Listener()
    return TuningRun(
        "final",
        made,
        draw,
        made._schedule,
        path,
        listener.told(),
        CPU,
        **options,
    )
