"""A thorough look at a model folder: digests, weights, and the network's shapes."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import MednextError, ModelError
from napari_mednext.models.folder import ModelFolder
from napari_mednext.models.library import find_model
from napari_mednext.models.weights import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

__all__ = ["verify_model"]

#: Official MedNeXt files hold these without using them: a placeholder of their
#: checkpointing, and heads of deep supervision.
_UNUSED = re.compile(r"dummy_tensor|out_[1-4]\.conv_out\.(weight|bias)")
#: The official code leaves GRN out of its first down block; zeros stand for it.
_OPTIONAL = re.compile(r"down_0\.grn_(gamma|beta)")
#: How many names a sentence lists.
_LISTED = 3


def verify_model(
    folder: ModelFolder | str | Path,
    *,
    build: Callable[..., torch.nn.Module] | None = None,
) -> tuple[str, ...]:
    """Return everything that is wrong with a model; an empty tuple is a sound one.

    Parameters
    ----------
    folder : ModelFolder, str or Path
        The folder, or the name of an installed model.
    build : callable, optional
        As ``napari_mednext.network.build``: takes the class name and the keywords
        ``input_channels``, ``num_classes`` and ``arch_kwargs`` and returns the network.
        Without it the shapes of the weights are not checked.

    Returns
    -------
    tuple of str
        One sentence a problem.
    """
    try:
        opened = folder if isinstance(folder, ModelFolder) else find_model(folder)
    except ModelError as error:
        return (str(error),)
    problems = _digest_problems(opened)
    expected = None
    if build is not None:
        try:
            expected = _expected_shapes(opened, build)
        except (MednextError, TypeError, ValueError) as error:
            problems.append(
                "the network that plans.json names must be a known one, got "
                f"{opened.plan.network_class_name!r} ({error}): install the extension "
                "that brings it"
            )
    for fold in opened.available_folds:
        try:
            weights = opened.load_weights(fold)
        except MednextError as error:
            problems.append(str(error))
            continue
        if expected is not None:
            problems += _shape_problems(weights, expected, fold)
    return tuple(problems)


def _digest_problems(folder: ModelFolder) -> list[str]:
    """Compare the files with the digests of the card."""
    problems = []
    for name, digest in folder.card.sha256.items():
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or "\\" in name:
            problems.append(
                f"card.json must name files inside the model folder, got {name!r}: do "
                "not use this folder unless you know who made it"
            )
            continue
        try:
            found = file_digest(folder.path / relative)
        except ModelError as error:
            problems.append(str(error))
            continue
        if found != digest:
            problems.append(
                f"{name} must have the SHA-256 that card.json states, {digest[:9]}..., "
                f"got {found[:9]}...: the file was changed or damaged, copy the model "
                "folder again"
            )
    return problems


def _expected_shapes(
    folder: ModelFolder, build: Callable[..., torch.nn.Module]
) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of the network's tensors, without giving them memory."""
    import torch

    keywords: dict[str, Any] = {
        "input_channels": folder.input_channels,
        "num_classes": folder.num_heads,
        "arch_kwargs": folder.plan.arch_kwargs,
    }
    with torch.device("meta"):
        network = build(folder.plan.network_class_name, **keywords)
    return {name: tuple(t.shape) for name, t in network.state_dict().items()}


def _shape_problems(
    weights: Mapping[str, torch.Tensor],
    expected: Mapping[str, tuple[int, ...]],
    fold: str,
) -> list[str]:
    """Compare names and shapes of weights with what the network has."""
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    missing = [n for n in expected if n not in found and not _OPTIONAL.fullmatch(n)]
    extra = [n for n in found if n not in expected and not _UNUSED.fullmatch(n)]
    different = [
        f"{name} {found[name]} for {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    advice = "the weights belong to another network, correct arch_kwargs in plans.json"
    return [
        f"fold {fold} must {wanted}, got {len(names)} wrong: "
        f"{'; '.join(names[:_LISTED])}: {advice}"
        for wanted, names in (
            ("hold every tensor of the network", missing),
            ("hold no other tensor", extra),
            ("have the network's shapes", different),
        )
        if names
    ]
