"""What an improvement is asked to do, as JSON that a job folder keeps.

The labels are frozen copies in the job folder: people go on painting meanwhile, and a
job that was killed must go on with what it began with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from napari_mednext.labels import Label, LabelSet
from napari_mednext.settings.improve import ImproveSettings

__all__ = ["FrozenCase", "ImproveOrder"]


@dataclass(frozen=True)
class FrozenCase:
    """A scan, and copies of what people said of it.

    Parameters
    ----------
    name, patient : str
        As in the study; the patient may be empty.
    images : tuple of Path
        One file per channel, or a DICOM series.
    labels, provenance : Path
        Relative to the job folder: values of the study's labels, and who said so.
    is_replay : bool
        Whether an earlier version has learned this already.
    """

    name: str
    patient: str
    images: tuple[Path, ...]
    labels: Path
    provenance: Path
    is_replay: bool

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.name,
            "patient": self.patient,
            "images": [str(path) for path in self.images],
            "labels": self.labels.as_posix(),
            "provenance": self.provenance.as_posix(),
            "is_replay": self.is_replay,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_dict` wrote."""
        return cls(
            str(values["name"]),
            str(values["patient"]),
            tuple(Path(path) for path in values["images"]),
            Path(values["labels"]),
            Path(values["provenance"]),
            bool(values["is_replay"]),
        )


@dataclass(frozen=True)
class ImproveOrder:
    """One improvement.

    Parameters
    ----------
    study, study_seed : str
        Name of the study, and what decides by chance in it.
    labels : LabelSet
        Of the study.
    channels : tuple of str
        Names of the study's channels.
    model, base : Path
        Folders of the version in use and of the model that it descends from.
    model_sha256 : str
        Digest of the version in use.
    name, title : str
        Of the new model.
    round : int
        How many improvements it has behind it then.
    cases : tuple of FrozenCase
        Those with reviewed voxels.
    locked : tuple of str
        Patients that are never learned from.
    settings : ImproveSettings
        How.
    trained : tuple of str
        Patients that versions of the model were trained on before, in this study.
    lineage : mapping
        Where the new model comes from, for its card.
    patch : tuple of int
        Of the training, voxels; empty for what the settings say.
    checkpointing : str
        "none" or "expansion".
    planned_step_s : float
        Seconds of an update on the machine of the measurements, 0 if not known.
    home : Path, optional
        Folder of the study when the order was given.
    """

    study: str
    study_seed: str
    labels: LabelSet
    channels: tuple[str, ...]
    model: Path
    base: Path
    model_sha256: str
    name: str
    title: str
    round: int
    cases: tuple[FrozenCase, ...]
    locked: tuple[str, ...]
    settings: ImproveSettings
    trained: tuple[str, ...] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    patch: tuple[int, ...] = ()
    checkpointing: str = "none"
    planned_step_s: float = 0.0
    home: Path | None = None

    def moved(self, home: Path) -> Self:
        """Return the order of a study that lies elsewhere by now.

        Parameters
        ----------
        home : Path
            Where the study is. What lay in its folder is looked for there.
        """
        old = self.home
        if old is None or old == home:
            return self

        def there(path: Path) -> Path:
            return home / path.relative_to(old) if path.is_relative_to(old) else path

        cases = tuple(
            dataclasses.replace(case, images=tuple(map(there, case.images)))
            for case in self.cases
        )
        return dataclasses.replace(
            self,
            model=there(self.model),
            base=there(self.base),
            cases=cases,
            home=home,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "study": self.study,
            "study_seed": self.study_seed,
            "labels": [dataclasses.asdict(label) for label in self.labels],
            "channels": list(self.channels),
            "model": str(self.model),
            "base": str(self.base),
            "model_sha256": self.model_sha256,
            "name": self.name,
            "title": self.title,
            "round": self.round,
            "cases": [case.to_dict() for case in self.cases],
            "locked": list(self.locked),
            "settings": self.settings.to_dict(),
            "trained": list(self.trained),
            "lineage": dict(self.lineage),
            "patch": list(self.patch),
            "checkpointing": self.checkpointing,
            "planned_step_s": self.planned_step_s,
            "home": None if self.home is None else str(self.home),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_dict` wrote."""
        labels = LabelSet(
            tuple(
                Label(int(each["value"]), str(each["name"]), _color(each["color"]))
                for each in values["labels"]
            )
        )
        return cls(
            study=str(values["study"]),
            study_seed=str(values["study_seed"]),
            labels=labels,
            channels=tuple(map(str, values["channels"])),
            model=Path(values["model"]),
            base=Path(values["base"]),
            model_sha256=str(values["model_sha256"]),
            name=str(values["name"]),
            title=str(values["title"]),
            round=int(values["round"]),
            cases=tuple(FrozenCase.from_dict(each) for each in values["cases"]),
            locked=tuple(map(str, values["locked"])),
            settings=ImproveSettings.from_dict(values["settings"]),
            trained=tuple(map(str, values["trained"])),
            lineage=dict(values["lineage"]),
            patch=tuple(int(edge) for edge in values["patch"]),
            checkpointing=str(values["checkpointing"]),
            planned_step_s=float(values["planned_step_s"]),
            home=Path(values["home"]) if values.get("home") else None,
        )


def _color(values: Any) -> tuple[int, int, int]:
    r, g, b = (int(value) for value in values)
    return r, g, b
