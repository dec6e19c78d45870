"""One training of an improvement: resumable, watched, and stopped with its best.

Step ``i`` draws patches that depend on the seed and ``i`` alone, so a training that was
killed goes on exactly as it would have. On the CPU, with one number of threads, the
weights are the same bit by bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import torch

from napari_mednext.errors import ModelError, StorageError
from napari_mednext.training.device import fast_convolutions
from napari_mednext.training.prefetch import Prefetcher
from napari_mednext.training.schedule import learning_rate
from napari_mednext.training.trimming import give_memory_back
from napari_mednext.training.tuning.checkpoints import read_state, write_state
from napari_mednext.training.tuning.tuner import Batch

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.training.schedule import Schedule
    from napari_mednext.training.tuning.tuner import Tuner
    from napari_mednext.training.tuning.watching import Glance, Watch

__all__ = ["Ending", "Told", "TuningRun"]

#: Validations without a better one after which a training may stop early.
PATIENCE = 6
#: So many looks at the validation patches in a training, and updates between two of
#: them at least.
LOOKS = 10
_LEAST_BETWEEN = 12
#: Seconds between two checkpoints, at least; and at most a share of the time.
_SAVE_S = 20.0
_SAVE_SHARE = 0.05
#: Updates between two lines of the log: on a GPU the loss stays there in between.
_LOG_EVERY = 5


class Ending(StrEnum):
    """How a training ended."""

    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Told:
    """Whom a training tells what happens.

    Parameters
    ----------
    event : callable
        Called with a kind and what belongs to it.
    step : callable
        Called before every update with the updates done; true stops the training.
    picture : callable
        Called with a step and a PNG file.
    """

    event: Callable[..., None]
    step: Callable[[int], bool]
    picture: Callable[[int, bytes], None]


class TuningRun:
    """One training in a job.

    Parameters
    ----------
    part : str
        What it is called in events: "final", or "fold 1 of 3".
    tuner : Tuner
        At its beginning.
    draw : callable
        Step -> batch.
    schedule : Schedule
        Steps and rates.
    checkpoint : Path
        The file of its state; what is there is gone on with.
    told : Told
        Who is told.
    device : torch.device
        Where it runs.
    watch : Watch, optional
        Looked at now and then.
    stop_early : bool
        Whether the looks decide which weights are kept, and may end the training.
    facts : dict, optional
        More for the start event.
    """

    def __init__(
        self,
        part: str,
        tuner: Tuner,
        draw: Callable[[int], Batch],
        schedule: Schedule,
        checkpoint: Path,
        told: Told,
        device: torch.device,
        *,
        watch: Watch | None = None,
        stop_early: bool = False,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self._part = part
        self._tuner = tuner
        self._draw = draw
        self._schedule = schedule
        self._path = checkpoint
        self._told = told
        self._device = device
        self._watch = watch
        self._stop_early = stop_early and watch is not None
        self._facts = facts or {}
        self._best: dict[str, Any] | None = None
        self._ending: Ending | None = None
        self._saved_at, self._save_s = time.monotonic(), 0.0

    def run(self) -> Ending:
        """Train to the end, or until told to stop.

        Returns
        -------
        Ending
            STOPPED when it was told to, or when the loss was not finite any more and
            the last good state was taken.

        Raises
        ------
        ModelError
            If the loss is not finite from the beginning.
        StorageError
            If the end cannot be written.
        """
        self._resume()
        if self._ending is None:
            self._told.event(
                "start",
                part=self._part,
                step=self._tuner.step,
                steps=self._schedule.steps,
                device=self._device.type,
                threads=torch.get_num_threads(),
                **self._facts,
            )
            ending, note = self._train()
            self._ending = ending
            self._save()
            self._told.event(
                "end", part=self._part, step=self._tuner.step, state=ending, note=note
            )
        return self._ending

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights that are kept, on the CPU."""
        if self._best is not None:
            weights: dict[str, torch.Tensor] = self._best["weights"]
            return weights
        return self._tuner.weights()

    def _resume(self) -> None:
        saved = read_state(self._path)
        if saved is not None:
            self._restore(saved)

    def _restore(self, saved: dict[str, Any]) -> None:
        self._tuner.restore(saved["tuner"])
        self._best = saved["best"]
        self._ending = None if saved["ending"] is None else Ending(saved["ending"])

    def _save(self) -> None:
        """Write a checkpoint.

        Raises
        ------
        StorageError
            If there is no room.
        """
        begun = time.monotonic()
        state = {
            "schema": 1,
            "tuner": self._tuner.content(),
            "best": self._best,
            "ending": None if self._ending is None else str(self._ending),
        }
        write_state(self._path, state)
        self._saved_at = time.monotonic()
        self._save_s = self._saved_at - begun

    def _save_now_and_then(self) -> None:
        """Write a checkpoint if it is time; where there is no room, try again later."""
        since = time.monotonic() - self._saved_at
        if since < max(_SAVE_S, self._save_s / _SAVE_SHARE):
            return
        if not self._is_finite():
            return
        try:
            self._save()
        except StorageError as error:
            self._saved_at = time.monotonic()
            self._told.event("warning", text=str(error))

    def _is_finite(self) -> bool:
        parameters = self._tuner.network.parameters()
        return all(bool(torch.isfinite(each).all()) for each in parameters)

    def _train(self) -> tuple[Ending, str]:
        """Do the updates that are left; say how it ended, and why if unusual."""
        tuner, last = self._tuner, self._schedule.steps
        look_every = max(_LEAST_BETWEEN, last // LOOKS)
        interval = _Interval()
        if tuner.step == 0:
            self._look()
        with (
            fast_convolutions(self._device),
            Prefetcher(self._draw, last=last, device=self._device) as batches,
        ):
            while tuner.step < last:
                waited = time.monotonic()
                if self._told.step(tuner.step):
                    return Ending.STOPPED, "stopped, the best so far is kept"
                interval.pause(time.monotonic() - waited)
                interval.add(tuner.update(self._there(batches.take(tuner.step))))
                if tuner.step % _LOG_EVERY == 0 or tuner.step == last:
                    if not interval.is_finite() or not self._is_finite():
                        return self._back_to_good()
                    self._log(interval)
                    give_memory_back()
                    interval = _Interval()
                if tuner.step % look_every == 0 or tuner.step == last:
                    interval.pause(self._look())
                    if self._is_enough(look_every):
                        return Ending.DONE, "held-out patches got no better any more"
                self._save_now_and_then()
        return Ending.DONE, ""

    def _there(self, batch: Batch) -> Batch:
        return Batch(*(part.to(self._device, non_blocking=True) for part in batch))

    def _back_to_good(self) -> tuple[Ending, str]:
        """Take the last state whose numbers were sound.

        Raises
        ------
        ModelError
            If there is none.
        """
        step, saved = self._tuner.step, read_state(self._path)
        if saved is None:
            msg = (
                f"the loss must stay finite, but it did not within {step} updates: "
                "lower the learning rate"
            )
            raise ModelError(msg)
        self._restore(saved)
        return Ending.STOPPED, (
            f"the loss was not finite at step {step}: the last good state, of step "
            f"{self._tuner.step}, is kept; a lower learning rate may help"
        )

    def _look(self) -> float:
        """Look at the validation patches; returns the seconds it took."""
        if self._watch is None:
            return 0.0
        begun = time.monotonic()
        glance = self._watch.look(self._tuner, self._device)
        seconds = time.monotonic() - begun
        step = self._tuner.step
        self._told.event(
            "validation", step=step, dice=glance.dice, seconds=round(seconds, 3)
        )
        try:
            self._told.picture(step, glance.picture)
        except OSError as error:  # no picture is worth a training
            self._told.event("warning", text=str(error))
        if self._stop_early:
            self._keep_best(glance)
        return time.monotonic() - begun

    def _keep_best(self, glance: Glance) -> None:
        step = self._tuner.step
        if self._best is None or glance.mean > self._best["mean"]:
            weights = self._tuner.weights()
            self._best = {"mean": glance.mean, "step": step, "weights": weights}

    def _is_enough(self, look_every: int) -> bool:
        if not self._stop_early or self._best is None:
            return False
        since = self._tuner.step - int(self._best["step"])
        return since >= PATIENCE * look_every

    def _log(self, interval: _Interval) -> None:
        step = self._tuner.step
        rate = learning_rate(self._schedule, step - 1)
        self._told.event(
            "step",
            step=step,
            loss=round(interval.loss(), 5),
            rate=rate,
            seconds=round(interval.seconds(), 4),
        )


class _Interval:
    """Loss and time of the steps between two lines of the log."""

    def __init__(self) -> None:
        self._count = 0
        self._loss: torch.Tensor | float = 0.0
        self._started = time.monotonic()

    def add(self, loss: torch.Tensor) -> None:
        """Count a step, without waiting for its loss."""
        self._count += 1
        self._loss = self._loss + loss

    def pause(self, seconds: float) -> None:
        """Do not count time that was spent on something else."""
        self._started += seconds

    def loss(self) -> float:
        """Return the mean loss; waits for the device."""
        return float(self._loss) / max(1, self._count)

    def is_finite(self) -> bool:
        """Whether all losses were."""
        return math.isfinite(self.loss())

    def seconds(self) -> float:
        """Return the mean time of a step."""
        return max(0.0, time.monotonic() - self._started) / max(1, self._count)
