"""What is learned, from whom, and on whom it is judged.

Inside a stage no person is both corrected and judged. Settings are chosen on ``dev``
only, whose persons are in no other stage; ``final`` is run once. ``first`` was to be
the last stage, but its run showed a loss in an old class, which was then mended on
``dev``; two of those judged in it are judged in ``final`` too. The shipped model has
seen the label maps (not these scans) of all persons but m04 and m19.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.loop.recording import Lesions, Recording

__all__ = ["STAGES", "TASKS", "Stage", "Task"]


@dataclass(frozen=True)
class Stage:
    """Cases that are corrected, one a round, and those that are judged."""

    rounds: tuple[str, ...]
    tests: tuple[str, ...]


STAGES: Mapping[str, Stage] = {
    "dev": Stage(("m07", "m08", "m09"), ("m10", "m12")),
    "first": Stage(("m01", "m02", "m03"), ("m04", "m19", "m05", "m06")),
    "final": Stage(("m13", "m14", "m16"), ("m04", "m19", "m11", "m18")),
}


@dataclass(frozen=True)
class Task:
    """Something that the shipped model cannot do.

    Parameters
    ----------
    name, title : str
    new : mapping of label value to name
        Labels that the model does not have.
    sources : mapping of source value to label value
        Where the reference differs from the model's own classes.
    old : mapping of the model's value to label values
        What belongs to an old class although it has another label now: part of it was
        given to a new one. Others are themselves.
    sought : bool
        Whether the annotator looks for errors at the new labels only.
    recording : Recording, optional
        How the people of the label maps are recorded; a real scan when None.
    apart : int
        Planes between two corrected slices, at least; more where all of the head is
        wrong, for neighbours show the same.
    slab : int
        Where one scan is corrected and judged: thickness of the slabs, in planes, that
        are taken in turns for either; 0 where they are different people.
    judges_old : bool
        Whether the scans show the old classes.
    """

    name: str
    title: str
    new: Mapping[int, str] = field(default_factory=dict)
    sources: Mapping[int, int] = field(default_factory=dict)
    old: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sought: bool = False
    recording: Recording | None = None
    apart: int = 3
    slab: int = 0
    judges_old: bool = True

    def stage(self, name: str) -> Stage:
        """Return the cases of a stage; a real scan is the only one of its task."""
        if self.recording is None:
            return Stage((self.name,) * 3, (self.name,))
        return STAGES[name]


_T1 = {"white": 0.78, "grey": 0.52, "deep": 0.64, "fluid": 0.16}
_FLAIR = {"white": 0.42, "grey": 0.56, "deep": 0.50, "fluid": 0.10}
#: Bright fluid, dark white matter, and grey matter brighter than either order knows.
_ODD = {"white": 0.30, "grey": 0.75, "deep": 0.45, "fluid": 0.50}

TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            "nuclei",
            "new classes thalamus and putamen, T1-like scans",
            new={11: "thalamus", 12: "putamen"},
            sources={10: 11, 49: 11, 12: 12, 51: 12},
            old={7: (7, 11, 12)},
            sought=True,
            recording=Recording(_T1),
        ),
        Task(
            "hippocampus",
            "new class hippocampus, T1-like scans",
            new={11: "hippocampus"},
            sources={17: 11, 53: 11},
            old={8: (8, 11)},
            sought=True,
            recording=Recording(_T1),
        ),
        Task(
            "spike",
            "T1-like scans with a spike in k-space (herringbone stripes)",
            recording=Recording(_T1, stripes=0.45),
            apart=8,
        ),
        Task(
            "contrast",
            "a contrast in no family of the training, strong bias",
            recording=Recording(_ODD, bias=0.3, coil=1.0),
            apart=8,
        ),
        Task(
            "thick",
            "T2*-like scans with strong bias and slices of 4 mm",
            recording=Recording(
                {"white": 0.42, "grey": 0.50, "deep": 0.30, "fluid": 0.62},
                spacing_mm=(4.0, 1.6, 1.6),
                bias=0.3,
                coil=1.5,
            ),
            apart=2,
        ),
        Task(
            "lesion",
            "new class lesion: bright blobs in FLAIR-like scans",
            new={11: "lesion"},
            sought=True,
            recording=Recording(
                _FLAIR, bias=0.2, lesions=Lesions(11, 0.70), noise=0.04
            ),
        ),
        Task(
            "heart",
            "new class heart in one real CT of the thorax",
            new={11: "heart"},
            sought=True,
            slab=10,
            judges_old=False,
        ),
    )
}
