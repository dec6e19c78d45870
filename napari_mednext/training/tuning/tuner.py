"""What is improved: a network that knows something, its mean, and an optimiser."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from napari_mednext.training.device import autocast
from napari_mednext.training.learner import CLIP_NORM
from napari_mednext.training.schedule import learning_rate, mean_decay
from napari_mednext.training.tuning.parts import freeze_all_but

if TYPE_CHECKING:
    from napari_mednext.training.schedule import Schedule
    from napari_mednext.training.tuning.losses import Objective

__all__ = ["Batch", "Student", "Tuner"]


class Batch(NamedTuple):
    """Patches to learn from, stacked."""

    image: Tensor
    """(n, c, z, y, x) float32."""

    target: Tensor
    """(n, z, y, x) uint8: heads, 255 where nobody looked."""

    offset: Tensor
    """(n, 3) float32: where the target's points lie from the voxels (z, y, x)."""


@dataclass(frozen=True)
class Student:
    """Where a training starts.

    Parameters
    ----------
    network : nn.Module
        With the old weights, and heads for all classes.
    teacher : nn.Module or None
        The old model, to be asked where nobody looked.
    teacher_channels : tuple of int
        Channels of the image that the old model takes, in its order.
    """

    network: nn.Module
    teacher: nn.Module | None
    teacher_channels: tuple[int, ...]


class Tuner:
    """A network after ``step`` updates.

    Parameters
    ----------
    student : Student
        Copied, so that several trainings can start from it.
    part : str
        What learns: "full", "decoder" or "head".
    objective : Objective
        The loss.
    schedule : Schedule
        Steps, rates and decay.
    weight_decay : float
        Of AdamW.
    head_rate : float
        Rate of the heads, as a multiple of that of all else: Adam moves every weight by
        about the rate, and heads have the furthest to go.
    device : torch.device
        Where it learns.
    """

    def __init__(
        self,
        student: Student,
        part: str,
        objective: Objective,
        schedule: Schedule,
        weight_decay: float,
        device: torch.device,
        *,
        head_rate: float = 1.0,
    ) -> None:
        self.step = 0
        self._objective = objective
        self._schedule = schedule
        self._device = device
        self.network = copy.deepcopy(student.network).to(device)
        self._learning = freeze_all_but(self.network, part)
        self.mean = copy.deepcopy(self.network).eval().requires_grad_(False)  # noqa: FBT003 - torch's signature
        self._teacher = None
        if student.teacher is not None and objective.distill_weight > 0:
            self._teacher = copy.deepcopy(student.teacher).to(device).eval()
        self._teacher_channels = list(student.teacher_channels)
        heads, others = _heads_and_others(self.network)
        groups = [
            {"params": parameters, "scale": scale}
            for parameters, scale in ((others, 1.0), (heads, head_rate))
            if parameters
        ]
        self._optimizer = torch.optim.AdamW(
            groups, lr=schedule.learning_rate, weight_decay=weight_decay
        )

    def update(self, batch: Batch) -> Tensor:
        """Learn from a batch.

        Returns
        -------
        () float32
            The loss before the update, on the device.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._schedule, self.step) * group["scale"]
        said = self._ask_teacher(batch.image)
        self.network.train()
        with autocast(self._device):
            answer = self.network(batch.image)
        outputs = [answer] if isinstance(answer, Tensor) else list(answer)
        loss = self._objective(outputs, batch.target, batch.offset, said)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self._learning, CLIP_NORM)
        self._optimizer.step()
        decay = mean_decay(self._schedule, self.step)
        with torch.no_grad():
            pairs = zip(self.mean.parameters(), self.network.parameters(), strict=True)
            for mean, new in pairs:
                mean.lerp_(new, 1 - decay)
        self.step += 1
        return loss.detach()

    @torch.no_grad()
    def _ask_teacher(self, image: Tensor) -> Tensor | None:
        """Return the logits of the old model, None where it is not asked."""
        if self._teacher is None:
            return None
        with autocast(self._device):
            said = self._teacher(image[:, self._teacher_channels])
        return (said if isinstance(said, Tensor) else said[0]).float()

    @torch.no_grad()
    def predict(self, image: Tensor) -> Tensor:
        """Return the logits of the mean of the weights, (n, heads, z, y, x) float32."""
        with autocast(self._device):
            answer = self.mean(image)
        return (answer if isinstance(answer, Tensor) else answer[0]).float()

    def move(self, device: torch.device) -> None:
        """Bring everything to a device: to the CPU when the GPU is wanted elsewhere."""
        for module in (self.network, self.mean, self._teacher):
            if module is not None:
                module.to(device)
        for state in self._optimizer.state.values():
            for key, value in state.items():
                # The count of steps stays where AdamW wants it.
                if isinstance(value, Tensor) and key != "step":
                    state[key] = value.to(device)
        if self._device.type == "cuda" and device.type == "cpu":
            torch.cuda.empty_cache()

    def content(self) -> dict[str, Any]:
        """Return all that :meth:`restore` needs to go on exactly from here."""
        return {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go back to where :meth:`content` was called, in this process or another."""
        self.network.load_state_dict(content["network"])
        self.mean.load_state_dict(content["mean"])
        self._optimizer.load_state_dict(content["optimizer"])
        self.step = int(content["step"])

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the mean of the weights on the CPU, without lower heads."""
        lower = tuple(f"out_{k}." for k in range(1, 5))
        return {
            name: value.detach().to("cpu", copy=True)
            for name, value in self.mean.state_dict().items()
            if not name.startswith(lower)
        }


def _heads_and_others(
    network: nn.Module,
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters that learn: those of heads, and all others."""
    heads: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (heads if name.startswith("out_") else others).append(parameter)
    return heads, others
