"""The versions of a study's model, as a tree: which is in use, and where to go back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMessageBox,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.controls import NOTICE_COLORS, Notice, allow
from napari_mednext.ui.icons import pixmap
from napari_mednext.ui.improve_wording import gigabytes
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.wording import sentence, short_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QShowEvent

    from napari_mednext.app.versions import Version
    from napari_mednext.ui.improving import Improving

__all__ = ["VersionsPanel"]

_COLUMNS = ("Version", "Kind", "Made", "Size")
_KINDS = {"base": "installed", "candidate": "new", "version": "version"}
_PATH = int(Qt.ItemDataRole.UserRole)
_ROW_HEIGHT = 24
#: Of a time, so many letters are the day.
_DATE = 10
#: Bytes that are not shown as 0 MB.
_WORTH_TELLING = 500_000
_MADE_FOR_NNUNET = "nnunet"


class VersionsPanel(QWidget):
    """A tree of versions, and what can be done with them.

    Parameters
    ----------
    improving : Improving
    parent : QWidget, optional
        As for any widget.
    """

    def __init__(self, improving: Improving, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._improving = improving
        self._versions: dict[str, Version] = {}
        self._is_stale = True
        self._reading = SingleJob(self)
        self.tree = QTreeWidget(self)
        self.empty = QLabel("The study has no model yet.", self)
        self.disk = QLabel(self)
        self.notice = Notice(self)
        self.use = QPushButton("&Use", self)
        self.back = QPushButton("Roll &back", self)
        self.export = QPushButton("E&xport…", self)
        self.remove = QPushButton("&Remove", self)
        self._build()
        self.tree.currentItemChanged.connect(lambda *_: self._refresh())
        self.use.clicked.connect(self._on_use)
        self.back.clicked.connect(improving.roll_back)
        self.export.clicked.connect(self._on_export)
        self.remove.clicked.connect(self._on_remove)
        self._reading.failed.connect(lambda text: self.notice.say(text, "error"))
        improving.versionsChanged.connect(self._on_changed)
        improving.busyChanged.connect(self._refresh)
        self._refresh()

    def _build(self) -> None:
        """Lay the parts out."""
        tree = self.tree
        tree.setHeaderLabels(_COLUMNS)
        tree.setAccessibleName("Versions of the model")
        tree.setToolTip("Each version under the one that it was trained from")
        tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        tree.setUniformRowHeights(True)
        tree.setTabKeyNavigation(False)
        tree.setRootIsDecorated(False)
        tree.setIndentation(14)
        tree.setItemsExpandable(False)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 62), (2, 78), (3, 58)):
            header.resizeSection(column, width)
        self.use.setToolTip("Segment with this version from the next case on")
        self.back.setToolTip("Use the version that was in use before")
        self.export.setToolTip("Write this version as a folder that nnU-Net reads")
        self.remove.setToolTip("Delete this version; what is known of it stays")
        self.disk.setWordWrap(True)
        self.disk.setToolTip("What the folder of the study takes")
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.use, self.back, self.export, self.remove):
            buttons.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.empty)
        layout.addWidget(tree, 1)
        layout.addLayout(buttons)
        layout.addWidget(self.disk)
        layout.addWidget(self.notice)

    def showEvent(self, event: QShowEvent) -> None:
        """Show what changed while nobody looked."""
        super().showEvent(event)
        if self._is_stale:
            self._read()

    def version(self) -> Version | None:
        """Return the version that is chosen in the tree."""
        item = self.tree.currentItem()
        return self._versions.get(str(item.data(0, _PATH))) if item else None

    def _on_changed(self) -> None:
        self._is_stale = True
        if self._improving.desk is None:
            self._show(((), {}))
        elif self.isVisible():
            self._read()

    def _read(self) -> None:
        """Read cards and count bytes, in a worker."""
        desk = self._improving.desk
        if desk is None:
            self._show(((), {}))
            return
        self._is_stale = False
        self._reading.start(
            lambda _: (desk.versions(), desk.disk_use()),
            "MedNeXt: reading versions",
            self._show,
        )

    def _show(self, found: tuple[Sequence[Version], dict[str, int]]) -> None:
        """Show versions, each under its parent."""
        versions, use = found
        chosen = self.version()
        wanted = str(chosen.path) if chosen is not None else ""
        self._versions = {str(version.path): version for version in versions}
        self.tree.clear()
        above: list[QTreeWidgetItem] = []
        for version in versions:
            item = _item(version)
            del above[version.depth :]
            if above:
                above[-1].addChild(item)
            else:
                self.tree.addTopLevelItem(item)
            above.append(item)
            if str(version.path) == wanted or (not wanted and version.is_current):
                self.tree.setCurrentItem(item)
        self.tree.expandAll()
        parts = [
            f"{name} {gigabytes(count)}"
            for name, count in use.items()
            if count >= _WORTH_TELLING
        ]
        whole = gigabytes(sum(use.values()))
        told = f": {', '.join(parts)}" if parts else ""
        self.disk.setText(f"The study takes {whole}{told}." if use else "")
        self._refresh()

    def _refresh(self) -> None:
        """Enable what fits."""
        improving, version = self._improving, self.version()
        is_any = bool(self._versions)
        self.tree.setVisible(is_any)
        self.empty.setVisible(not is_any and improving.desk is not None)
        self.disk.setVisible(bool(self.disk.text()))
        for button in (self.use, self.back, self.export, self.remove):
            button.setVisible(is_any)
        busy = "something is being done" if improving.is_busy else None
        reason = improving.refusal or busy
        none = "no version is chosen" if version is None else None
        broken = version.problem or None if version is not None else None
        in_use = "it is in use" if version and version.is_current else None
        ours = None
        if version is not None and version.kind != "version":
            ours = "only versions kept in the study can be removed"
        allow(self.use, reason or none or broken or in_use)
        allow(self.back, reason)
        allow(self.export, busy or none or broken)
        allow(self.remove, reason or none or ours or in_use)

    def _on_use(self) -> None:
        version = self.version()
        if version is not None:
            self._improving.use(version.path)

    def _on_export(self) -> None:
        version = self.version()
        if version is None:
            return
        start = str(Path.home() / f"{version.name}_{_MADE_FOR_NNUNET}")
        chosen, _ = QFileDialog.getSaveFileName(
            self, "New folder for the model", start, "Folders (*)"
        )
        if chosen:
            path, target = version.path, Path(chosen)
            self._improving.do(
                lambda desk: desk.export(path, target),
                "exporting a model",
                lambda _: self.notice.say(f"Written to {short_path(target)}.", "done"),
            )

    def _on_remove(self) -> None:
        """Ask, then remove: weights cannot be brought back."""
        version = self.version()
        if version is None:
            return
        text = f"Delete {version.name} ({gigabytes(version.bytes)}) for good?"
        answer = QMessageBox.question(self, "Remove a version", text)
        if answer != QMessageBox.StandardButton.Yes:
            return
        path = version.path
        self._improving.do(
            lambda desk: desk.remove(path), "removing a version", self._on_removed
        )

    def _on_removed(self, _: Any) -> None:
        self.notice.say("The version was removed.", "done")
        self._improving.versionsChanged.emit()


def _item(version: Version) -> QTreeWidgetItem:
    """Return the row of a version."""
    kind = _KINDS.get(version.kind, version.kind)
    if version.is_discarded:
        kind = "discarded"
    if version.is_current:
        kind = "in use"
    name = version.title if version.kind == "base" and version.title else version.name
    item = QTreeWidgetItem(
        [name, kind, version.created[:_DATE], gigabytes(version.bytes)]
    )
    item.setSizeHint(0, QSize(0, _ROW_HEIGHT))
    item.setData(0, _PATH, str(version.path))
    item.setTextAlignment(
        3, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    )
    told = [version.title or version.name, kind, short_path(version.path)]
    if version.parent:
        told.append(f"Trained from {version.parent}")
    if version.job:
        told.append(f"Made by job {version.job}")
    told += [f"{key}: {value}" for key, value in sorted(version.metrics.items())][:8]
    if version.problem:
        told.append(sentence(version.problem))
    for column in range(len(_COLUMNS)):
        item.setToolTip(column, "\n".join(told))
    level = "error" if version.problem else "done" if version.is_current else ""
    if level:
        item.setIcon(0, QIcon(pixmap(level, NOTICE_COLORS[level])))
    if version.is_current:
        font = item.font(0)
        font.setBold(True)
        item.setFont(0, font)
    return item
