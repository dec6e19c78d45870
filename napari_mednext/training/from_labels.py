"""Train a model from label maps alone, resumable and reproducible.

Everything that decides the weights is in the settings, the maps and the table: step
``i`` draws its patches from seeds made of the settings' seed and ``i``, so that a run
that was interrupted goes on exactly as it would have.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_mednext.errors import ModelError
from napari_mednext.models import find_model
from napari_mednext.network import MedNeXt, load_weights, preset
from napari_mednext.progress import (
    CancelFlag,
    ProgressCallback,
    Stopwatch,
    check_cancelled,
)
from napari_mednext.training.losses import deep_supervision_loss, moved
from napari_mednext.training.synthesis import IGNORE, Sample, Synthesizer

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.settings.from_labels import FromLabelsSettings
    from napari_mednext.training.label_maps import LabelMaps, MappingTable

__all__ = ["TrainingRun", "validation_dice"]

_LOG = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
EVENTS = "events.jsonl"
#: Steps between two checkpoints.
SAVE_EVERY = 50
#: Gradients are scaled down to this norm, as in nnU-Net.
CLIP_NORM = 12.0
#: Synthetic scans of held-out maps, always the same.
VALIDATION_SCANS = 6
_VALIDATION_SEED = 1_000_003


@dataclass
class _State:
    """What a checkpoint holds."""

    network: MedNeXt
    mean: MedNeXt
    optimizer: torch.optim.Optimizer
    step: int = 0


class TrainingRun:
    """A training in a folder of its own.

    Parameters
    ----------
    folder : Path
        Holds the checkpoint and the log of events; made if missing. A checkpoint in it
        is gone on with.
    maps : LabelMaps
    table : MappingTable
    settings : FromLabelsSettings

    Raises
    ------
    ModelError
        If the folder holds a checkpoint of other settings, or the model to start from
        is missing or of another shape.
    """

    def __init__(
        self,
        folder: Path,
        maps: LabelMaps,
        table: MappingTable,
        settings: FromLabelsSettings,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.device = _device(settings.device)
        self._table = table
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(maps.maps)
        held_out = [n for n in names if n in table.held_out] or names[-1:]
        learned = [n for n in names if n not in held_out] or names
        self._learned = self._synthesizer(maps, learned)
        self._held_out = self._synthesizer(maps, held_out)
        self._state = self._new_state()
        self.started_from: dict[str, str] | None = None
        if not self._resume() and settings.start_from:
            self._start_from(settings.start_from)

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
        return self._state.step

    def _new_state(self) -> _State:
        torch.manual_seed(self.settings.seed)
        network = MedNeXt(
            1,
            self.num_classes,
            deep_supervision=True,
            **preset(self.settings.preset),
        ).to(self.device)
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        return _State(network, copy.deepcopy(network).eval(), optimizer)

    def _start_from(self, name_or_folder: str) -> None:
        """Take over the weights of a model; heads that it lacks stay random."""
        model = find_model(name_or_folder)
        weights = model.load_weights(model.folds[0])
        own = self._state.network.state_dict()
        lower = {name: own[name] for name in own if name not in weights}
        try:
            load_weights(self._state.network, {**lower, **weights})
        except ModelError as error:
            msg = (
                "a training can start from a model of the same preset, channels and "
                f"classes only, got {name_or_folder!r} ({error}): choose another "
                "model or leave start_from empty"
            )
            raise ModelError(msg) from error
        self._state.mean.load_state_dict(self._state.network.state_dict())
        self.started_from = {"model": model.name, "sha256": model.sha256}

    def _resume(self) -> bool:
        """Go on with the folder's checkpoint, if it has one, and say whether."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        saved: dict[str, Any] = torch.load(
            path, map_location=self.device, weights_only=True
        )
        if saved["settings"] != self.settings.to_dict():
            msg = (
                f"a run goes on with its own settings, but {str(self.folder)!r} was "
                "begun with others: choose another folder"
            )
            raise ModelError(msg)
        self._state.network.load_state_dict(saved["network"])
        self._state.mean.load_state_dict(saved["mean"])
        self._state.optimizer.load_state_dict(saved["optimizer"])
        self._state.step = int(saved["step"])
        self.started_from = saved.get("started_from")
        return True

    def save(self) -> None:
        """Write a checkpoint beside the old one and move it into place."""
        state = self._state
        path = self.folder / CHECKPOINT
        beside = path.with_suffix(".tmp")
        torch.save(
            {
                "settings": self.settings.to_dict(),
                "network": state.network.state_dict(),
                "mean": state.mean.state_dict(),
                "optimizer": state.optimizer.state_dict(),
                "step": state.step,
                "started_from": self.started_from,
            },
            beside,
        )
        os.replace(beside, path)  # noqa: PTH105 - atomic on every system

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
        """
        settings, state = self.settings, self._state
        last = min(settings.steps, until if until is not None else settings.steps)
        watch = Stopwatch(max(last - state.step, 0), "training")
        first = state.step
        with ThreadPoolExecutor(1, thread_name_prefix="synthesis") as pool:
            coming: Future[Sample] | None = None
            while state.step < last:
                if cancel is not None and cancel.is_set():
                    self.save()
                    check_cancelled(cancel)
                coming = coming or pool.submit(self._batch, state.step)
                batch = coming.result()
                coming = pool.submit(self._batch, state.step + 1)
                started = time.monotonic()
                loss = self._update(batch)
                state.step += 1
                self._log_step(loss, time.monotonic() - started)
                if state.step % settings.validate_every == 0 or state.step == last:
                    self._validate()
                if state.step % SAVE_EVERY == 0 or state.step == last:
                    self.save()
                if on_progress is not None:
                    on_progress(watch.at(state.step - first, f"loss {loss:.3f}"))

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

    def _update(self, batch: Sample) -> float:
        state = self._state
        for group in state.optimizer.param_groups:
            group["lr"] = self._learning_rate(state.step)
        state.network.train()
        half = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            finest, *lower = state.network(batch.scan)
        outputs = [moved(finest.float(), batch.offset), *lower]
        loss = deep_supervision_loss(outputs, batch.target)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), CLIP_NORM)
        state.optimizer.step()
        decay = min(self.settings.ema_decay, (1 + state.step) / (10 + state.step))
        with torch.no_grad():
            pairs = zip(
                state.mean.parameters(), state.network.parameters(), strict=True
            )
            for mean, new in pairs:
                mean.lerp_(new, 1 - decay)
        return float(loss.detach())

    def _learning_rate(self, step: int) -> float:
        """Return the rate of a step: a linear rise, then a fall with power 0.9."""
        settings = self.settings
        if step < settings.warmup_steps:
            return settings.learning_rate * (step + 1) / settings.warmup_steps
        rest = max(1, settings.steps - settings.warmup_steps)
        done = (step - settings.warmup_steps) / rest
        return float(settings.learning_rate * max(1 - done, 1e-3) ** 0.9)

    def _validate(self) -> None:
        dice = validation_dice(self._state.mean, self._held_out, self.num_classes)
        names = self._table.labels.names
        table = {names.get(k, str(k)): round(v, 4) for k, v in dice.items()}
        self._event({"event": "validation", "step": self._state.step, "dice": table})
        _LOG.info("step %d: %s", self._state.step, table)

    def _log_step(self, loss: float, seconds: float) -> None:
        if not math.isfinite(loss):
            msg = (
                f"the loss must stay finite, got {loss} at step {self._state.step}: "
                "lower the learning rate"
            )
            raise ModelError(msg)
        if self._state.step % 10 == 0:
            step = self._state.step
            self._event(
                {"event": "step", "step": step, "loss": loss, "seconds": seconds}
            )

    def _event(self, event: dict[str, Any]) -> None:
        with (self.folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), **event}) + "\n")

    def averaged_weights(self) -> dict[str, Tensor]:
        """Return the running mean of the weights on the CPU, without lower heads."""
        lower = tuple(f"out_{k}." for k in range(1, 5))
        return {
            name: value.detach().cpu()
            for name, value in self._state.mean.state_dict().items()
            if not name.startswith(lower)
        }


def validation_dice(
    network: MedNeXt, scans: Synthesizer, num_classes: int
) -> dict[int, float]:
    """Return the Dice of every class over a fixed set of synthetic scans.

    A class that is in neither prediction nor target of any scan is left out.
    """
    overlap = torch.zeros(num_classes, dtype=torch.float64)
    total = torch.zeros(num_classes, dtype=torch.float64)
    network.eval()
    with torch.no_grad():
        for i in range(VALIDATION_SCANS):
            scan, target, offset = scans.draw(_VALIDATION_SEED + i)
            logits = network.head(network.features(scan[None]))
            logits = moved(logits, offset[None])
            known = target != IGNORE
            predicted, truth = (
                logits[0].argmax(0)[known].cpu(),
                target[known].cpu().long(),
            )
            overlap += torch.bincount(
                predicted[predicted == truth], minlength=num_classes
            )
            total += torch.bincount(predicted, minlength=num_classes)
            total += torch.bincount(truth, minlength=num_classes)
    return {
        k: float(2 * overlap[k] / total[k])
        for k in range(1, num_classes)
        if total[k] > 0
    }


def _device(name: str) -> torch.device:
    """Return the device of a name; "auto" is the GPU when there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
