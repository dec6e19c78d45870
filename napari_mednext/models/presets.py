"""Label sets that other packages bring, ready to be chosen by name."""

from __future__ import annotations

from napari_mednext.errors import InputError
from napari_mednext.extensions import Extensions, discover
from napari_mednext.labels import LabelSet

__all__ = ["label_presets"]


def label_presets(extensions: Extensions | None = None) -> dict[str, LabelSet]:
    """Return name -> label set of the presets that extensions bring.

    A preset that is no label set is left out; ``discover().problems`` tells of
    extensions that failed altogether.

    Parameters
    ----------
    extensions : Extensions, optional
        What was found; looked for when None.

    Returns
    -------
    dict
        In the order of the names.
    """
    found = discover() if extensions is None else extensions
    presets = {}
    for name, names in sorted(found.label_presets.items()):
        try:
            presets[name] = LabelSet.from_names(names)
        except InputError:
            continue
    return presets
