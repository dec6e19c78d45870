"""The labels of a study, and the training labels that are written with them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError, StorageError
from napari_mednext.formats import WRITABLE_ENDINGS, save_segmentation
from napari_mednext.labels import Label, LabelSet, default_color
from napari_mednext.study.dataset_json import (
    IGNORE,
    dataset_document,
    training_names,
)
from napari_mednext.study.part import StudyPart, case_id
from napari_mednext.study.training_labels import TrainingValues, training_labels

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_mednext.volume import Segmentation

__all__ = ["StudyLabels", "check_labels", "put_labels"]

_SELECT_LABELS = "SELECT * FROM label"


class StudyLabels(StudyPart):
    """Label values, names and colours, with ``dataset.json`` kept in step."""

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels of every case, in order."""
        return tuple(json.loads(self._stated("channel_names")))

    @property
    def labels(self) -> LabelSet:
        """The labels, without background and ignore."""
        return _label_set(self._database.rows(_SELECT_LABELS))

    @property
    def training_values(self) -> TrainingValues:
        """How the labels are counted through in training labels."""
        return TrainingValues.of(self.labels)

    def set_labels(self, labels: LabelSet) -> None:
        """Replace all labels.

        Training labels that were written with other values are left out of
        ``dataset.json`` until they are written again: see `stale_training_labels`.

        Raises
        ------
        InputError
            If a label has no name, or is named ignore.
        StorageError
            If the study cannot be written to; the older labels stay.
        """
        check_labels(labels)
        with self._database.change() as connection:
            self._put(connection, labels)

    def add_label(self, name: str, color: tuple[int, int, int] | None = None) -> Label:
        """Add a label with the value after the highest.

        Parameters
        ----------
        name : str
            Any but ignore.
        color : (r, g, b), each 0..255, optional
            A colour of its own by default.

        Returns
        -------
        Label

        Raises
        ------
        InputError
            If the name is empty or ignore, or no value is left.
        StorageError
            If the study cannot be written to.
        """
        with self._database.change() as connection:
            labels = _labels(connection)
            value = max(labels.names, default=0) + 1
            label = Label(value, name, color or default_color(value))
            labels = LabelSet((*labels, label))
            check_labels(labels)
            self._put(connection, labels)
        return label

    def rename_label(self, value: int, name: str) -> None:
        """Give a label another name.

        Raises
        ------
        InputError
            If there is no such label, or the name is empty or ignore.
        StorageError
            If the study cannot be written to.
        """
        self._replace(value, name=name)

    def recolor_label(self, value: int, color: tuple[int, int, int]) -> None:
        """Give a label another colour, (r, g, b) of 0..255.

        Raises
        ------
        InputError
            If there is no such label.
        StorageError
            If the study cannot be written to.
        """
        self._replace(value, color=color)

    def write_training_label(
        self, name: str, segmentation: Segmentation, provenance: NDArray[np.uint8]
    ) -> Path:
        """Write the training label of a case, and count it in ``dataset.json``.

        Parameters
        ----------
        name : str
            The case.
        segmentation : Segmentation
            Its working labels. Not modified.
        provenance : (z, y, x) uint8
            As `training_labels` takes it. Not modified.

        Returns
        -------
        Path
            In labelsTr, on the grid of the scan.

        Raises
        ------
        InputError
            If there is no such case, or a reviewed voxel has an unknown label.
        GeometryError
            If labels and provenance differ in shape.
        StorageError
            If the file or the study cannot be written; an older file stays.
        """
        with self._database.change() as connection:
            number, labels = case_id(connection, name), _labels(connection)
        values = TrainingValues.of(labels)
        array = training_labels(
            segmentation.array, provenance, values.mapping, values.ignore
        )
        names, colors = training_names(labels), labels.colors
        numbered = replace(
            segmentation,
            array=array,
            names={new: names[old] for old, new in values.mapping.items()},
            colors={new: colors[old] for old, new in values.mapping.items()},
        )
        path = save_segmentation(
            numbered, self.folder.case(name).training, overwrite=True
        )
        self._count(number, values.key)
        return path

    def remove_training_label(self, name: str) -> None:
        """Delete the training label of a case, if it has one.

        Raises
        ------
        InputError
            If there is no such case.
        StorageError
            If the study cannot be written to.
        """
        with self._database.change() as connection:
            number = case_id(connection, name)
        self._count(number, None)
        path = self.folder.training_label(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            msg = (
                f"the training label {str(path)!r} must be deleted, got "
                f"{error.strerror or error}: check the permissions"
            )
            raise StorageError(msg) from error

    def stale_training_labels(self) -> tuple[str, ...]:
        """Return the cases whose training labels were written with other labels."""
        rows = self._database.rows(
            "SELECT name FROM cases WHERE training IS NOT NULL AND training != ? "
            "ORDER BY id",
            (self.training_values.key,),
        )
        return tuple(row["name"] for row in rows)

    def _count(self, number: int, key: str | None) -> None:
        """Say with which numbering the training label of a case was written."""
        with self._database.change() as connection:
            connection.execute(
                "UPDATE cases SET training = ? WHERE id = ?", (key, number)
            )
            self._write_dataset(connection)

    def _replace(self, value: int, **changes: Any) -> None:
        """Change the name or the colour of one label."""
        with self._database.change() as connection:
            labels = _labels(connection)
            if value not in labels.names:
                msg = (
                    f"the label must be one of the study, got {value}: choose one of "
                    f"{sorted(labels.names)} or add it"
                )
                raise InputError(msg)
            changed = LabelSet(
                tuple(replace(x, **changes) if x.value == value else x for x in labels)
            )
            check_labels(changed)
            self._put(connection, changed)

    def _put(self, connection: sqlite3.Connection, labels: LabelSet) -> None:
        """Store labels inside a transaction, with ``dataset.json``."""
        put_labels(connection, labels)
        self._write_dataset(connection)

    def _write_dataset(self, connection: sqlite3.Connection) -> None:
        """Write ``dataset.json`` inside a transaction, so that both change or none."""
        labels = _labels(connection)
        channels = self.channel_names
        rows = connection.execute(
            "SELECT name, images FROM cases WHERE training = ? ORDER BY id",
            (TrainingValues.of(labels).key,),
        ).fetchall()
        stored, training = self.folder.stored, {}
        for row in rows:
            images = self.folder.found_images(row["images"])
            label = self.folder.training_label(row["name"])
            # nnU-Net reads one file per channel, and no DICOM.
            readable = all(i.name.lower().endswith(WRITABLE_ENDINGS) for i in images)
            if readable and len(images) == len(channels) and label.is_file():
                training[row["name"]] = ([stored(i) for i in images], stored(label))
        document = dataset_document(
            name=self._stated("name"),
            channel_names=channels,
            labels=labels,
            training=training,
        )
        self.folder.write_dataset(document)


def check_labels(labels: LabelSet) -> None:
    """Refuse labels that a study cannot have.

    Raises
    ------
    InputError
        If a label has no name, is named ignore, or has a colour out of range.
    """
    for label in labels:
        if not label.name.strip() or label.name.strip().casefold() == IGNORE:
            msg = (
                f"a label must have a name other than {IGNORE!r}, which marks voxels "
                f"that nobody has looked at, got {label.name!r} for {label.value}: "
                "choose another name or leave it out"
            )
            raise InputError(msg)
        if not all(0 <= part <= 255 for part in label.color):
            msg = (
                "a colour must be red, green and blue from 0 to 255, got "
                f"{label.color} for {label.name!r}: choose another"
            )
            raise InputError(msg)


def put_labels(connection: sqlite3.Connection, labels: LabelSet) -> None:
    """Replace the label rows inside a transaction."""
    connection.execute("DELETE FROM label")
    connection.executemany(
        "INSERT INTO label VALUES (?, ?, ?, ?, ?)",
        [(x.value, x.name, *map(int, x.color)) for x in labels],
    )


def _labels(connection: sqlite3.Connection) -> LabelSet:
    """Return the labels inside a transaction."""
    return _label_set(connection.execute(_SELECT_LABELS).fetchall())


def _label_set(rows: Iterable[sqlite3.Row]) -> LabelSet:
    """Return the labels of some rows."""
    return LabelSet(
        tuple(
            Label(r["value"], r["name"], (r["red"], r["green"], r["blue"]))
            for r in rows
        )
    )
