"""Train a model from label maps alone, resumable and reproducible.

Everything that decides the weights is in the settings, the maps and the table: step
``i`` draws its patches from seeds made of the settings' seed and ``i``, so that a run
that was interrupted goes on exactly as it would have. On the CPU, runs with the same
number of threads end with the same weights, bit by bit; on CUDA they do not, since some
sums are made there in changing order and the fastest kernels are looked for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_mednext.errors import ModelError, StorageError
from napari_mednext.inference.devices import resolve_device
from napari_mednext.progress import (
    CancelFlag,
    ProgressCallback,
    Stopwatch,
    check_cancelled,
)
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training.device import fast_convolutions, told_when_memory_ends
from napari_mednext.training.journal import Journal
from napari_mednext.training.learner import Learner
from napari_mednext.training.prefetch import Prefetcher
from napari_mednext.training.run_folder import RunFolder
from napari_mednext.training.schedule import Speed, learning_rate
from napari_mednext.training.synthesis import Sample, Synthesizer
from napari_mednext.training.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_mednext.training.history import Event, History
    from napari_mednext.training.label_maps import LabelMaps
    from napari_mednext.training.mapping_table import MappingTable

__all__ = ["TrainingRun"]

#: Steps between two checkpoints, and between two lines of the log: the loss stays on
#: the device in between, so that nothing waits for a GPU.
SAVE_EVERY = 50
LOG_EVERY = 10
#: Updates before a measurement of the speed, and those that are measured.
_WARM_UP, _MEASURED = 2, 20


class TrainingRun:
    """A training in a folder of its own.

    Parameters
    ----------
    folder : Path
        Holds settings, checkpoint, log, page and examples; made if missing. A
        checkpoint in it is gone on with.
    maps : LabelMaps
    table : MappingTable
    settings : FromLabelsSettings
    on_event : callable, optional
        Called with each event; see :mod:`.history`.

    Raises
    ------
    ModelError
        If the folder holds a checkpoint of other settings or maps, or the model to
        start from is missing or of another shape.
    InputError
        If the maps hold none of the table's classes.
    ResourceError
        If the device is not there.
    StorageError
        If the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        maps: LabelMaps,
        table: MappingTable,
        settings: FromLabelsSettings,
        *,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.device = torch.device(resolve_device(settings.device))
        # The kind decides the scans, the number of the GPU does not.
        self.settings = dataclasses.replace(settings, device=self.device.type)
        self.data_sha256 = {"maps": maps.digest(), "table": table.digest()}
        self._table = table
        self._notes = table.notes_on(maps)
        learned, held_out = table.split(maps)
        self._learned = self._synthesizer(maps, learned)
        self._held_out = self._synthesizer(maps, held_out)
        self._files = RunFolder(folder)
        self._journal = Journal(self._files, table, on_event)
        self._learner = Learner(self.settings, self.num_classes, self.device)
        if not self._resume() and settings.start_from:
            self._learner.start_from(settings.start_from)

    def _synthesizer(self, maps: LabelMaps, names: list[str]) -> Synthesizer:
        return Synthesizer(
            maps,
            self._table,
            names=names,
            patch=self.settings.patch,
            spacing_mm=self.settings.spacing_mm,
            oversampling=self.settings.oversampling,
            device=self.device,
        )

    @property
    def num_classes(self) -> int:
        """Output heads: the classes and the background."""
        return max(self._table.labels.names) + 1

    @property
    def steps_done(self) -> int:
        """Updates done so far."""
        return self._learner.step

    @property
    def started_from(self) -> dict[str, str] | None:
        """Name and digest of the model that the training started from."""
        return self._learner.started_from

    @property
    def history(self) -> History:
        """What happened so far, also in earlier processes."""
        return self._journal.history

    def _resume(self) -> bool:
        """Go on with the folder's checkpoint, if it has one, and say whether."""
        saved = self._files.read_checkpoint(self.device)
        if saved is None:
            return False
        where = str(self._files.path)
        begun = FromLabelsSettings.from_dict(saved["settings"])
        if begun.device == "auto":
            begun = dataclasses.replace(begun, device=self.device.type)
        if begun != self.settings:
            msg = (
                f"a run goes on with its own settings, but {where!r} was begun with "
                f"others ({_difference(begun, self.settings)}): choose another folder, "
                f"or give its {self._files.settings.name} as settings"
            )
            raise ModelError(msg)
        if saved.get("data_sha256", self.data_sha256) != self.data_sha256:
            msg = (
                f"a run goes on with its own maps and table, but {where!r} was begun "
                "with others: choose another folder"
            )
            raise ModelError(msg)
        self._learner.restore(saved)
        return True

    def save(self) -> None:
        """Write a checkpoint, from which a run with the same settings goes on.

        Raises
        ------
        StorageError
            If there is no room.
        """
        content = {
            "settings": self.settings.to_dict(),
            "data_sha256": self.data_sha256,
            **self._learner.content(),
        }
        self._files.write_checkpoint(content)

    def run(
        self,
        *,
        on_progress: ProgressCallback | None = None,
        cancel: CancelFlag | None = None,
        until: int | None = None,
    ) -> None:
        """Train until all steps are done, or up to step ``until``.

        Parameters
        ----------
        on_progress : callable, optional
            Called after each step.
        cancel : flag, optional
            When set, a checkpoint is written and the run stops.
        until : int, optional
            Stop after this many steps in all.

        Raises
        ------
        Cancelled
            If ``cancel`` was set.
        ModelError
            If the loss is not finite.
        ResourceError
            If memory runs out.
        StorageError
            If there is no room for a checkpoint.
        """
        last = self.settings.steps
        last = min(last, until) if until is not None else last
        self.settings.save(self._files.settings)
        self._begin()
        try:
            with told_when_memory_ends(self.settings):
                self._train(last, on_progress, cancel)
        except Exception as error:
            with contextlib.suppress(StorageError):
                self._end("failed", note=str(error))
            raise
        is_done = self.steps_done >= self.settings.steps
        self._end("done" if is_done else "stopped")
        if not is_done:
            check_cancelled(cancel)

    def _begin(self) -> None:
        self._journal.tell(
            "start",
            self.steps_done,
            schema=1,
            steps=self.settings.steps,
            classes=list(self._table.labels.names.values()),
            device=self.device.type,
            threads=torch.get_num_threads(),
            settings=self.settings.to_dict(),
            data_sha256=self.data_sha256,
            notes=list(self._notes),
        )
        self._journal.write_page()

    def _end(self, state: str, note: str = "") -> None:
        self._journal.tell("end", self.steps_done, state=state, note=note)
        self._journal.write_page()

    def _train(
        self,
        last: int,
        on_progress: ProgressCallback | None,
        cancel: CancelFlag | None,
    ) -> None:
        """Do updates until step ``last`` or until cancelled."""
        learner, first = self._learner, self._learner.step
        watch = Stopwatch(max(last - first, 0), "training")
        interval = _Interval()
        with (
            fast_convolutions(self.device),
            Prefetcher(self._batch, last=last, device=self.device) as batches,
        ):
            while learner.step < last and not (cancel is not None and cancel.is_set()):
                interval.add(learner.update(batches.take(learner.step)))
                is_last = learner.step == last
                if learner.step % LOG_EVERY == 0 or is_last:
                    self._log(interval)
                    interval = _Interval()
                if learner.step % self.settings.validate_every == 0 or is_last:
                    interval.pause(self._validate())
                if learner.step % SAVE_EVERY == 0 or is_last:
                    self.save()
                    self._journal.write_page()
                if on_progress is not None:
                    on_progress(watch.at(learner.step - first))
        if learner.step < last:
            self._log(interval)
            self.save()

    def _batch(self, step: int) -> Sample:
        """Return the samples of a step, stacked."""
        seeds = [
            (self.settings.seed * 1_000_000_007 + step * self.settings.batch_size + i)
            % 2**62
            for i in range(self.settings.batch_size)
        ]
        with torch.no_grad():
            samples = [self._learned.draw(seed) for seed in seeds]
        return Sample(*(torch.stack(parts) for parts in zip(*samples, strict=True)))

    def _validate(self) -> float:
        """Tell how good the mean of the weights is; returns the seconds it took."""
        started = time.monotonic()
        result = validate(self._learner.mean, self._held_out, self.num_classes)
        seconds = time.monotonic() - started
        self._journal.tell_validation(self.steps_done, result, seconds)
        self._journal.write_page()
        return time.monotonic() - started

    def _log(self, interval: _Interval) -> None:
        """Tell the mean loss since the line before; it must be finite."""
        if interval.count == 0:
            return
        loss, step = interval.loss(), self.steps_done
        if not math.isfinite(loss):
            msg = (
                f"the loss must stay finite, got {loss} at step {step}: "
                "lower the learning rate"
            )
            raise ModelError(msg)
        rate = learning_rate(self.settings, step - 1)
        seconds = interval.seconds()
        self._journal.tell("step", step, loss=loss, rate=rate, seconds=seconds)

    def measure(self, *, seconds: float, cancel: CancelFlag | None = None) -> Speed:
        """Time a few updates and a validation; the run is of no use afterwards.

        Parameters
        ----------
        seconds : float
            The updates end after this time, or after a fixed number of them.
        cancel : flag, optional
            Stops the measurement.

        Returns
        -------
        Speed

        Raises
        ------
        Cancelled
            If ``cancel`` was set.
        ResourceError
            If memory runs out.
        """
        last = _WARM_UP + _MEASURED
        times = []
        with (
            told_when_memory_ends(self.settings),
            fast_convolutions(self.device),
            Prefetcher(self._batch, last=last, device=self.device) as batches,
        ):
            end = time.monotonic() + seconds
            for step in range(last):
                check_cancelled(cancel)
                started = time.monotonic()
                float(self._learner.update(batches.take(step)))  # waits for the device
                times.append(time.monotonic() - started)
                if step > _WARM_UP and time.monotonic() > end:
                    break
            started = time.monotonic()
            validate(self._learner.mean, self._held_out, self.num_classes)
        rest = times[_WARM_UP:]
        return Speed(sum(rest) / len(rest), time.monotonic() - started)

    def averaged_weights(self) -> dict[str, Tensor]:
        """Return the running mean of the weights on the CPU, without lower heads."""
        lower = tuple(f"out_{k}." for k in range(1, 5))
        return {
            name: value.detach().cpu()
            for name, value in self._learner.mean.state_dict().items()
            if not name.startswith(lower)
        }


class _Interval:
    """Loss and time of the steps between two lines of the log."""

    def __init__(self) -> None:
        self.count = 0
        self._loss: Tensor | float = 0.0
        self._started = time.monotonic()

    def add(self, loss: Tensor) -> None:
        """Count a step, without waiting for its loss."""
        self.count += 1
        self._loss = self._loss + loss

    def pause(self, seconds: float) -> None:
        """Do not count time that was spent on something else."""
        self._started += seconds

    def loss(self) -> float:
        """Return the mean loss; waits for the device."""
        return float(self._loss) / self.count

    def seconds(self) -> float:
        """Return the mean time of a step."""
        return max(0.0, time.monotonic() - self._started) / self.count


def _difference(begun: FromLabelsSettings, given: FromLabelsSettings) -> str:
    """Return in words where settings differ."""
    pairs = zip(begun.to_dict().items(), given.to_dict().values(), strict=True)
    return ", ".join(f"{k} {a!r}, not {b!r}" for (k, a), b in pairs if a != b)
