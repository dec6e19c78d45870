"""What learns: a network, the mean of its weights and an optimiser."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_mednext.errors import ModelError
from napari_mednext.models import find_model
from napari_mednext.network import MedNeXt, load_weights, preset
from napari_mednext.training.device import autocast
from napari_mednext.training.losses import deep_supervision_loss, moved
from napari_mednext.training.schedule import learning_rate, mean_decay

if TYPE_CHECKING:
    from napari_mednext.settings.from_labels import FromLabelsSettings
    from napari_mednext.training.synthesis import Sample

__all__ = ["Learner"]

#: Gradients are scaled down to this norm, as in nnU-Net.
CLIP_NORM = 12.0


class Learner:
    """A network after ``step`` updates.

    Parameters
    ----------
    settings : FromLabelsSettings
        The seed decides the first weights.
    num_classes : int
        Output heads.
    device : torch.device
        Where it learns.
    """

    def __init__(
        self, settings: FromLabelsSettings, num_classes: int, device: torch.device
    ) -> None:
        self.step = 0
        self.started_from: dict[str, str] | None = None
        self._settings = settings
        self._device = device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = MedNeXt(
                1,
                num_classes,
                deep_supervision=True,
                checkpointing=settings.checkpointing,
                **preset(settings.preset),
            ).to(device)
        self.mean = copy.deepcopy(self.network).eval()
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )

    def start_from(self, name_or_folder: str) -> None:
        """Take over the weights of a model; heads that it lacks stay random.

        Parameters
        ----------
        name_or_folder : str
            Of an installed model, or the folder of any.

        Raises
        ------
        ModelError
            If there is no such model, or it is of another shape.
        """
        model = find_model(name_or_folder)
        weights = model.load_weights(model.folds[0])
        own = self.network.state_dict()
        lower = {name: own[name] for name in own if name not in weights}
        try:
            load_weights(self.network, {**lower, **weights})
        except ModelError as error:
            msg = (
                "a training can start from a model of the same preset, channels and "
                f"classes only, got {name_or_folder!r} ({error}): choose another "
                "model or leave start_from empty"
            )
            raise ModelError(msg) from error
        self.mean.load_state_dict(self.network.state_dict())
        self.started_from = {"model": model.name, "sha256": model.sha256}

    def update(self, batch: Sample) -> Tensor:
        """Learn from a batch of stacked samples.

        Returns
        -------
        () float32
            The loss before the update, on the device: nothing waits for it.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._settings, self.step)
        self.network.train()
        with autocast(self._device):
            finest, *lower = self.network(batch.scan)
        outputs = [moved(finest.float(), batch.offset), *lower]
        loss = deep_supervision_loss(outputs, batch.target)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self._optimizer.step()
        decay = mean_decay(self._settings, self.step)
        with torch.no_grad():
            pairs = zip(self.mean.parameters(), self.network.parameters(), strict=True)
            for mean, new in pairs:
                mean.lerp_(new, 1 - decay)
        self.step += 1
        return loss.detach()

    def content(self) -> dict[str, Any]:
        """Return all that :meth:`restore` needs to go on exactly from here."""
        return {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "started_from": self.started_from,
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go back to where :meth:`content` was called, in this process or another."""
        self.network.load_state_dict(content["network"])
        self.mean.load_state_dict(content["mean"])
        self._optimizer.load_state_dict(content["optimizer"])
        self.step = int(content["step"])
        self.started_from = content.get("started_from")
