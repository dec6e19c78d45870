"""Reading ``plans.json``, old and new: inheritance, old names, and every number."""

from __future__ import annotations

from typing import Any, cast

from napari_mednext.errors import ModelError
from napari_mednext.models.documents import Node
from napari_mednext.models.plans import (
    RESAMPLING_FUNCTION,
    ConfigurationPlan,
    Resampling,
)

__all__ = ["read_plan", "resolve", "volume_configurations"]

Triple = tuple[float, float, float]
Whole = tuple[int, int, int]

_UNETS = {
    "PlainConvUNet": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "ResidualEncoderUNet": (
        "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
    ),
}
#: nnU-Net's defaults, for plans that state none.
_DEFAULT_RESAMPLING = {"data": Resampling(3, 0), "probabilities": Resampling(1, 0)}
_MAX_SPLINE_ORDER = 5


def resolve(plans: Node, name: str) -> Node:
    """Return a configuration with everything that it inherits.

    Parameters
    ----------
    plans : Node
        The whole plans file.
    name : str
        Of the configuration.

    Returns
    -------
    Node
        The keys of the configuration over those of its ancestors.

    Raises
    ------
    ModelError
        If the configuration or an ancestor is missing, or they form a circle.
    """
    configurations = plans["configurations"]
    chain: list[str] = []
    while True:
        if name in chain:
            Node(chain + [name], plans.file, "configurations").refuse(
                "inherit from each other without a circle"
            )
        chain.append(name)
        parent = configurations[name].get("inherits_from")
        if parent is None:
            break
        name = parent.text()
    merged: dict[str, Any] = {}
    for ancestor in reversed(chain):
        configurations[ancestor].names()
        merged.update(configurations[ancestor].value)
    return Node(merged, plans.file, f"configurations/{chain[0]}")


def volume_configurations(plans: Node) -> tuple[str, ...]:
    """Return the names of the configurations that work on volumes, on their own.

    2D configurations and second stages of a cascade are left out, and so are
    configurations that cannot be read.
    """
    names = []
    for name in plans["configurations"].names():
        try:
            entry = resolve(plans, name)
            size = entry["patch_size"].elements()
        except ModelError:
            continue
        if len(size) == 3 and entry.get("previous_stage") is None:
            names.append(name)
    return tuple(names)


def read_plan(plans: Node, name: str, *, channels: int) -> ConfigurationPlan:
    """Read one configuration and check every number of it.

    Parameters
    ----------
    plans : Node
        The whole plans file.
    name : str
        Of the configuration.
    channels : int
        How many input channels the dataset names.

    Returns
    -------
    ConfigurationPlan
        Valid.

    Raises
    ------
    ModelError
        If a key is missing or a value cannot be used; the sentence names its place.
    """
    entry = resolve(plans, name)
    _refuse_unknown_steps(plans, entry)
    forward, backward = _transpose(plans)
    class_name, arch_kwargs = _architecture(entry)
    schemes = tuple(
        node.text() for node in entry["normalization_schemes"].elements(channels)
    )
    masks = tuple(node.flag() for node in entry["use_mask_for_norm"].elements(channels))
    batch_size = entry.get("batch_size")
    return ConfigurationPlan(
        name=name,
        spacing=cast(
            "Triple", tuple(n.number(positive=True) for n in _three(entry, "spacing"))
        ),
        patch_size=cast(
            "Whole", tuple(n.whole(1, 2**20) for n in _three(entry, "patch_size"))
        ),
        transpose_forward=forward,
        transpose_backward=backward,
        normalization_schemes=schemes,
        use_mask_for_norm=masks,
        intensity_properties=_intensities(plans, schemes),
        resampling_data=_resampling(entry, "data"),
        resampling_probabilities=_resampling(entry, "probabilities"),
        image_reader_writer=plans["image_reader_writer"].text(),
        network_class_name=class_name,
        arch_kwargs=arch_kwargs,
        batch_size=2 if batch_size is None else batch_size.whole(1),
    )


def _refuse_unknown_steps(plans: Node, entry: Node) -> None:
    """Refuse plans whose steps this package does not repeat."""
    previous = entry.get("previous_stage")
    if previous is not None:
        previous.refuse(
            "be missing, since a second stage needs the result of another model",
            "choose the 3d_fullres or 3d_lowres model",
        )
    for holder, key, known in (
        (entry, "preprocessor_name", "DefaultPreprocessor"),
        (plans, "label_manager", "LabelManager"),
        (entry, "resampling_fn_data", RESAMPLING_FUNCTION),
        (entry, "resampling_fn_probabilities", RESAMPLING_FUNCTION),
    ):
        node = holder.get(key)
        if node is not None and node.text() != known:
            node.refuse(f"be {known!r}", "use nnU-Net itself for this model")


def _three(entry: Node, key: str) -> list[Node]:
    """Return the three entries of a configuration that works on volumes."""
    nodes = entry[key].elements()
    if len(nodes) != 3:
        entry[key].refuse(
            "have 3 entries, as of a network for volumes",
            "choose the model of a 3d configuration",
        )
    return nodes


def _transpose(plans: Node) -> tuple[Whole, Whole]:
    """Return the two permutations, each the inverse of the other."""
    both = []
    for key in ("transpose_forward", "transpose_backward"):
        axes = tuple(node.whole(0, 2) for node in plans[key].elements(3))
        if sorted(axes) != [0, 1, 2]:
            plans[key].refuse("be a permutation of [0, 1, 2]")
        both.append(axes)
    forward, backward = both
    if any(forward[backward[axis]] != axis for axis in range(3)):
        plans["transpose_backward"].refuse(f"undo transpose_forward {list(forward)}")
    return cast("Whole", forward), cast("Whole", backward)


def _intensities(plans: Node, schemes: tuple[str, ...]) -> tuple[dict[str, float], ...]:
    """Return the intensity properties a channel; CT channels must have them."""
    table = plans.get("foreground_intensity_properties_per_channel") or plans.get(
        "foreground_intensity_properties_by_modality"
    )
    found = []
    for channel, scheme in enumerate(schemes):
        node = None if table is None else table.get(str(channel))
        if node is None and scheme == "CTNormalization":
            Node(None if table is None else table.names(), plans.file).refuse(
                'hold "foreground_intensity_properties_per_channel" for channel '
                f"{channel}, which CTNormalization needs"
            )
        found.append({} if node is None else _intensity(node, scheme))
    return tuple(found)


def _intensity(node: Node, scheme: str) -> dict[str, float]:
    """Read the properties of one channel."""
    properties = {key: each.number() for key, each in node.items()}
    if scheme == "CTNormalization":
        for key in ("mean", "std", "percentile_00_5", "percentile_99_5"):
            node[key].number()
        if properties["percentile_00_5"] > properties["percentile_99_5"]:
            node.refuse("have percentile_00_5 at most percentile_99_5")
        if properties["std"] < 0:
            node["std"].refuse("be at least 0")
    return properties


def _resampling(entry: Node, kind: str) -> Resampling:
    """Read how ``kind`` is resampled."""
    default = _DEFAULT_RESAMPLING[kind]
    node = entry.get(f"resampling_fn_{kind}_kwargs")
    if node is None:
        return default
    order, order_z = node.get("order"), node.get("order_z")
    force = node.get("force_separate_z")
    return Resampling(
        order=default.order if order is None else order.whole(0, _MAX_SPLINE_ORDER),
        order_z=(
            default.order_z if order_z is None else order_z.whole(0, _MAX_SPLINE_ORDER)
        ),
        force_separate_z=None if force is None else force.flag(),
    )


def _architecture(entry: Node) -> tuple[str, dict[str, Any]]:
    """Return the class name and the keyword arguments of the network.

    Plans of nnU-Net before 2.3 have no "architecture"; the U-Net that they mean is
    named with the arguments that newer plans would give.
    """
    node = entry.get("architecture")
    if node is not None:
        kwargs = node["arch_kwargs"]
        kwargs.names()
        return node["network_class_name"].text(), dict(kwargs.value)
    name = entry["UNet_class_name"]
    if name.text() not in _UNETS:
        name.refuse(f"be one of {', '.join(_UNETS)}")
    stages = entry["n_conv_per_stage_encoder"]
    base, most = entry["UNet_base_num_features"], entry["unet_max_num_features"]
    widths = [
        min(base.whole(1) * 2**stage, most.whole(1))
        for stage in range(min(len(stages.elements()), 16))
    ]
    blocks = "n_conv_per_stage" if name.value == "PlainConvUNet" else None
    return _UNETS[name.value], {
        "n_stages": len(widths),
        "features_per_stage": widths,
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": entry["conv_kernel_sizes"].value,
        "strides": entry["pool_op_kernel_sizes"].value,
        blocks or "n_blocks_per_stage": stages.value,
        "n_conv_per_stage_decoder": entry["n_conv_per_stage_decoder"].value,
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
