"""nnU-Net's plans: how an image is brought to the network, and how they are written.

Provenance: the layout of ``plans.json`` and ``dataset.json`` follows nnU-Net v2
(https://github.com/MIC-DKFZ/nnUNet, Apache-2.0, release 2.8.1); no code was taken.
The names of the keys are nnU-Net's, so that its own tools read what is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "MEDNEXT",
    "RESAMPLING_FUNCTION",
    "ConfigurationPlan",
    "Resampling",
    "make_dataset",
    "make_plans",
]

#: The network class that plans of this package name.
MEDNEXT = "napari_mednext.network.mednext.MedNeXt"
#: nnU-Net's only resampling that this package repeats.
RESAMPLING_FUNCTION = "resample_data_or_seg_to_shape"


@dataclass(frozen=True)
class Resampling:
    """How voxels are interpolated: nnU-Net's ``resampling_fn_*_kwargs``.

    ``order`` is the spline order in plane (0..5), ``order_z`` the one along the axis
    that is treated separately; ``force_separate_z`` None decides by anisotropy.
    """

    order: int
    order_z: int
    force_separate_z: bool | None = None


@dataclass(frozen=True)
class ConfigurationPlan:
    """One configuration of a plans file, with what inference needs of it.

    Parameters
    ----------
    name : str
        ``3d_fullres``, ...
    spacing : three numbers, mm
        Of the network's voxels, in the transposed axis order.
    patch_size : three numbers, voxels
        Of the network's tiles, in the transposed axis order.
    transpose_forward, transpose_backward : permutations of (0, 1, 2)
        From (z, y, x) to the network's axis order, and back.
    normalization_schemes : tuple of str
        nnU-Net's class names, one a channel.
    use_mask_for_norm : tuple of bool
        Whether only voxels inside the nonzero mask are normalised, one a channel.
    intensity_properties : tuple of mappings
        One a channel: nnU-Net's "mean", "std", "percentile_00_5", "percentile_99_5" and
        others, of the foreground of the training images, in the unit of the image (HU
        for CT); empty where the plans give none.
    resampling_data, resampling_probabilities : Resampling
        For the image, and for the logits on their way back.
    image_reader_writer : str
        nnU-Net's class name; with the ending ``WithReorient`` the image is brought to
        RAS first.
    network_class_name : str
        Import path of the network's class.
    arch_kwargs : mapping
        Its keyword arguments, JSON values.
    batch_size : int
        Patches a training step.
    """

    name: str
    spacing: tuple[float, float, float]
    patch_size: tuple[int, int, int]
    transpose_forward: tuple[int, int, int]
    transpose_backward: tuple[int, int, int]
    normalization_schemes: tuple[str, ...]
    use_mask_for_norm: tuple[bool, ...]
    intensity_properties: tuple[Mapping[str, float], ...]
    resampling_data: Resampling
    resampling_probabilities: Resampling
    image_reader_writer: str
    network_class_name: str
    arch_kwargs: Mapping[str, Any]
    batch_size: int = 2


def make_plans(
    *,
    dataset_name: str,
    spacing: Sequence[float],
    patch_size: Sequence[int],
    normalization_schemes: Sequence[str],
    arch_kwargs: Mapping[str, Any],
    network_class_name: str = MEDNEXT,
    use_mask_for_norm: Sequence[bool] | None = None,
    intensity_properties: Sequence[Mapping[str, float]] | None = None,
    transpose_forward: Sequence[int] = (0, 1, 2),
    image_reader_writer: str = "NibabelIOWithReorient",
    configuration: str = "3d_fullres",
    plans_name: str = "nnUNetPlans",
    batch_size: int = 2,
    median_shape: Sequence[int] | None = None,
    resampling_data: Resampling = Resampling(order=3, order_z=0),  # noqa: B008 - frozen
    resampling_probabilities: Resampling = Resampling(order=1, order_z=0),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Return a ``plans.json`` with one configuration, as nnU-Net 2 writes it.

    The result is not checked here: reading it back is, and
    :func:`napari_mednext.models.write_model_folder` reads what it wrote.

    Parameters
    ----------
    dataset_name : str
        As ``Dataset001_Brain``.
    spacing : (3,) mm, transposed axis order
        Of the network's voxels.
    patch_size : (3,) voxels, transposed axis order
        Of the network's tiles.
    normalization_schemes : sequence of str
        One a channel, as ``ZScoreNormalization`` or ``CTNormalization``.
    arch_kwargs : mapping
        Keyword arguments of the network, JSON values.
    network_class_name : str
        Import path of the network's class.
    use_mask_for_norm : sequence of bool, optional
        One a channel; all False by default.
    intensity_properties : sequence of mappings, optional
        One a channel, with nnU-Net's keys; ``CTNormalization`` needs "mean", "std",
        "percentile_00_5" and "percentile_99_5".
    transpose_forward : (3,) permutation
        From (z, y, x) to the network's axis order.
    image_reader_writer : str
        nnU-Net's class name.
    configuration, plans_name : str
        Names in the file.
    batch_size : int
        Patches a training step.
    median_shape : (3,) voxels, optional
        Of the training images at ``spacing``; the patch size by default.
    resampling_data, resampling_probabilities : Resampling
        nnU-Net's defaults by default.

    Returns
    -------
    dict
        JSON values only.
    """
    channels = len(normalization_schemes)
    shape = [int(n) for n in (median_shape or patch_size)]
    properties = intensity_properties or [{}] * channels
    entry = {
        "data_identifier": f"{plans_name}_{configuration}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": int(batch_size),
        "patch_size": [int(n) for n in patch_size],
        "median_image_size_in_voxels": shape,
        "spacing": [float(s) for s in spacing],
        "normalization_schemes": list(normalization_schemes),
        "use_mask_for_norm": [bool(m) for m in use_mask_for_norm or [False] * channels],
        **_resampling_entries("data", resampling_data),
        **_resampling_entries("seg", Resampling(order=1, order_z=0)),
        **_resampling_entries("probabilities", resampling_probabilities),
        "batch_dice": False,
        "architecture": {
            "network_class_name": network_class_name,
            "arch_kwargs": dict(arch_kwargs),
            "_kw_requires_import": [],
        },
    }
    return {
        "dataset_name": dataset_name,
        "plans_name": plans_name,
        "original_median_spacing_after_transp": [float(s) for s in spacing],
        "original_median_shape_after_transp": shape,
        "image_reader_writer": image_reader_writer,
        "transpose_forward": [int(a) for a in transpose_forward],
        "transpose_backward": [
            [int(a) for a in transpose_forward].index(axis)
            for axis in range(len(transpose_forward))
        ],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(channel): {key: float(value) for key, value in each.items()}
            for channel, each in enumerate(properties)
        },
        "configurations": {configuration: entry},
    }


def make_dataset(
    *,
    name: str,
    channel_names: Sequence[str],
    labels: Mapping[str, int | Sequence[int]],
    regions_class_order: Sequence[int] | None = None,
    training_cases: int = 0,
    file_ending: str = ".nii.gz",
) -> dict[str, Any]:
    """Return a ``dataset.json``, as nnU-Net 2 writes it.

    Parameters
    ----------
    name : str
        Of the dataset.
    channel_names : sequence of str
        One an input channel, in order.
    labels : mapping
        Name -> value, or values of a region; ``background`` (0) is added when missing.
    regions_class_order : sequence of int, optional
        The value written for each region; needed with regions.
    training_cases : int
        How many cases the model saw.
    file_ending : str
        Of the training images.

    Returns
    -------
    dict
        JSON values only.
    """
    values = {"background": 0, **labels}
    dataset: dict[str, Any] = {
        "name": name,
        "channel_names": {str(i): each for i, each in enumerate(channel_names)},
        "labels": {
            key: int(value) if isinstance(value, int) else [int(v) for v in value]
            for key, value in values.items()
        },
        "numTraining": int(training_cases),
        "file_ending": file_ending,
    }
    if regions_class_order is not None:
        dataset["regions_class_order"] = [int(value) for value in regions_class_order]
    return dataset


def _resampling_entries(kind: str, resampling: Resampling) -> dict[str, Any]:
    """Return the two keys that say how ``kind`` is resampled."""
    return {
        f"resampling_fn_{kind}": RESAMPLING_FUNCTION,
        f"resampling_fn_{kind}_kwargs": {
            "is_seg": kind == "seg",
            "order": resampling.order,
            "order_z": resampling.order_z,
            "force_separate_z": resampling.force_separate_z,
        },
    }
