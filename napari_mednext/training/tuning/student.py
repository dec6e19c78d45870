"""From a model folder to a network that can learn a study's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_mednext.errors import ChannelError, ModelError
from napari_mednext.labels.labelset import label_key
from napari_mednext.models.plans import MEDNEXT
from napari_mednext.network import build, load_weights
from napari_mednext.network.surgery import enlarge_kernels, widen_heads, widen_stem
from napari_mednext.training.tuning.tuner import Student

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from napari_mednext.models import ModelFolder
    from napari_mednext.training.tuning.classes import ClassMap

__all__ = ["channel_rows", "head_rows", "make_student", "student_kwargs"]

#: Of the background's probability, for all new classes together at the start: little,
#: so that hardly a voxel changes its label before anything is learned.
_NEW_SHARE = 0.1


def channel_rows(model: Sequence[str], study: Sequence[str]) -> tuple[int | None, ...]:
    """Return which channel of the model each channel of the study continues.

    Channels of one name are the same; those left over on both sides follow each other.

    Parameters
    ----------
    model, study : sequence of str
        Names of the channels, in order.

    Returns
    -------
    tuple of int or None
        One a channel of the study; None for one that the model does not know.

    Raises
    ------
    ChannelError
        If the model needs more channels than the study has.
    """
    if len(study) < len(model):
        msg = (
            f"a study must have as many channels as its model, {len(model)} "
            f"({', '.join(model)}), it has {len(study)} ({', '.join(study)}): choose "
            "another model"
        )
        raise ChannelError(msg)
    names = [name.casefold() for name in model]
    rows: list[int | None] = [None] * len(study)
    for i, name in enumerate(study):
        if name.casefold() in names and names.index(name.casefold()) not in rows:
            rows[i] = names.index(name.casefold())
    left = [k for k in range(len(model)) if k not in rows]
    free = [i for i, row in enumerate(rows) if row is None]
    for i, k in zip(free, left, strict=False):
        rows[i] = k
    return tuple(rows)


def student_kwargs(
    folder: ModelFolder, kernel_size: int | None, checkpointing: str = "none"
) -> dict[str, Any]:
    """Return the constructor arguments of the network that learns.

    Raises
    ------
    ModelError
        If the kernels of this network cannot be enlarged.
    """
    kwargs = dict(folder.plan.arch_kwargs)
    is_ours = _is_mednext(folder)
    if kernel_size is not None:
        now = kwargs.get("kernel_size", 3)
        if not is_ours or not isinstance(now, int) or kernel_size < now:
            msg = (
                f"kernels can be enlarged in a MedNeXt only, from {now} on, got "
                f"{kernel_size} for {folder.name!r}: leave kernel_size empty"
            )
            raise ModelError(msg)
        kwargs["kernel_size"] = kernel_size
    if is_ours and checkpointing != "none":
        kwargs["checkpointing"] = checkpointing
    return kwargs


def make_student(
    start: ModelFolder,
    teacher: ModelFolder,
    classes: ClassMap,
    channels: Sequence[str],
    *,
    kernel_size: int | None = None,
    deep_supervision: bool = True,
    checkpointing: str = "none",
) -> Student:
    """Build the network that learns, with what the model knows.

    Parameters
    ----------
    start : ModelFolder
        Whose weights the training starts from; the first fold of several.
    teacher : ModelFolder
        The version in use, which is asked where nobody looked.
    classes : ClassMap
        Of the teacher and the study.
    channels : sequence of str
        Names of the study's channels.
    kernel_size : int, optional
        Enlarge the kernels to this.
    deep_supervision : bool
        Add heads at lower resolutions, where the network can have them.
    checkpointing : str
        "none" or "expansion".

    Returns
    -------
    Student

    Raises
    ------
    ModelError
        If the weights do not fit, or the model's labels overlap.
    """
    refuse_regions(start)
    rows = channel_rows(start.channel_names, channels)
    kwargs = student_kwargs(start, kernel_size, checkpointing)
    weights: Mapping[str, Tensor] = start.load_weights(start.folds[0])
    weights = widen_heads(weights, head_rows(start, classes), share=_NEW_SHARE)
    if rows != tuple(range(len(start.channel_names))):
        weights = widen_stem(weights, rows)
    if kernel_size is not None:
        weights = enlarge_kernels(weights, kernel_size)
    network = build(
        start.plan.network_class_name,
        input_channels=len(channels),
        num_classes=classes.count,
        deep_supervision=deep_supervision,
        arch_kwargs=kwargs,
    )
    load_weights(network, _with_quiet_heads(network, weights))
    asked = channel_rows(teacher.channel_names, channels)
    takes = tuple(asked.index(k) for k in range(len(teacher.channel_names)))
    return Student(network, _teacher(teacher), takes)


def refuse_regions(folder: ModelFolder) -> None:
    """Refuse a model whose labels overlap.

    Raises
    ------
    ModelError
        If they do.
    """
    if folder.regions is not None:
        msg = (
            "a model can be improved when its labels exclude each other, those of "
            f"{folder.name!r} are overlapping regions: choose another model"
        )
        raise ModelError(msg)


def _is_mednext(folder: ModelFolder) -> bool:
    return (
        folder.plan.network_class_name.rpartition(".")[2] == MEDNEXT.rpartition(".")[2]
    )


def head_rows(start: ModelFolder, classes: ClassMap) -> list[int | None]:
    """Return which head of the start each head continues, by name.

    Parameters
    ----------
    start : ModelFolder
        Whose weights the training starts from.
    classes : ClassMap
        What the heads stand for.

    Returns
    -------
    list of int or None
        One a head, the background first; None for one that the start lacks.
    """
    own = {label_key(label.name): label.value for label in start.labels}
    return [0, *(own.get(label_key(name)) for name in classes.names)]


def _with_quiet_heads(
    network: nn.Module, weights: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Add heads of zeros where the model came without: they disturb nothing at first.

    With zero weights a head sends no gradient back until it has learned something.
    """
    own = network.state_dict()
    quiet = {
        name: value.new_zeros(value.shape)
        for name, value in own.items()
        if name not in weights
        and name.startswith(("out_1.", "out_2.", "out_3.", "out_4."))
    }
    return {**quiet, **weights}


def _teacher(folder: ModelFolder) -> nn.Module:
    network = build(
        folder.plan.network_class_name,
        input_channels=folder.input_channels,
        num_classes=folder.num_heads,
        arch_kwargs=folder.plan.arch_kwargs,
    )
    load_weights(network, folder.load_weights(folder.folds[0]))
    return network.eval().requires_grad_(requires_grad=False)
