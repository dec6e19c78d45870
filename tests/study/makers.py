"""Studies with cases that have no files, which is all that most tests need."""

from pathlib import Path

from napari_mednext.labels import LabelSet
from napari_mednext.study import CaseEntry, Study

LABELS = LabelSet.from_names({2: "liver", 9: "spleen"}, {9: (10, 20, 30)})


def entry(name, **more):
    folder = Path("/scans").absolute()
    more.setdefault("images", (folder / f"{name}.nii.gz",))
    return CaseEntry(name, **more)


def make_study(folder, names=("a", "b", "c"), **more):
    more.setdefault("labels", LABELS)
    return Study.create(folder, entries=[entry(name) for name in names], **more)
