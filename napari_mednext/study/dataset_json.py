"""What ``dataset.json`` says, so that a study is an nnU-Net dataset.

nnU-Net 2 (Isensee et al., https://github.com/MIC-DKFZ/nnUNet) wants ``channel_names``,
``labels`` with values counted through from the background 0 to ``ignore``,
``numTraining`` and ``file_ending``. With ``dataset``, images may lie anywhere, and
cases without a training label do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_mednext.study.folder import ENDING
from napari_mednext.study.training_labels import TrainingValues

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_mednext.labels import LabelSet

__all__ = ["dataset_document", "training_names"]

BACKGROUND, IGNORE = "background", "ignore"


def dataset_document(
    *,
    name: str,
    channel_names: Sequence[str],
    labels: LabelSet,
    training: Mapping[str, tuple[Sequence[str], str]],
) -> dict[str, Any]:
    """Return the content of ``dataset.json``.

    Parameters
    ----------
    name : str
        Of the study.
    channel_names : sequence of str
        In order.
    labels : LabelSet
        Of the study, with any values.
    training : mapping of case name to images and training label
        Paths as text, absolute or relative to the study; one image per channel.

    Returns
    -------
    dict
        ``training_values`` is our own: label value of the study -> value in labelsTr.
    """
    values = TrainingValues.of(labels)
    names = training_names(labels)
    return {
        "name": name,
        "channel_names": {str(i): channel for i, channel in enumerate(channel_names)},
        "labels": {
            BACKGROUND: 0,
            **{names[value]: number for value, number in values.mapping.items()},
            IGNORE: values.ignore,
        },
        "training_values": {str(v): number for v, number in values.mapping.items()},
        "numTraining": len(training),
        "file_ending": ENDING,
        "dataset": {
            case: {"images": list(images), "label": label}
            for case, (images, label) in training.items()
        },
    }


def training_names(labels: LabelSet) -> dict[int, str]:
    """Return label value -> a name that no other label has, nor nnU-Net itself uses."""
    taken = {BACKGROUND, IGNORE}
    names: dict[int, str] = {}
    for label in labels:
        name = unique = label.name or f"label {label.value}"
        again = 2
        while unique in taken:
            unique = f"{name} ({label.value})" if again == 2 else f"{unique} ({again})"
            again += 1
        names[label.value] = unique
        taken.add(unique)
    return names
