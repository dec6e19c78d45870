"""Before and after: whether the new model is better, and what to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QImage
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.controls import (
    NOTICE_COLORS,
    IconButton,
    Notice,
    PrimaryButton,
    allow,
)
from napari_mednext.ui.icons import pixmap
from napari_mednext.ui.improve_wording import OUTCOMES
from napari_mednext.ui.job_examples import Picture
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from napari_mednext.app.improve_outcome import ChangeRow, Comparison
    from napari_mednext.ui.improving import Improving

__all__ = ["ComparisonPanel"]

_NOTHING = "\u2013"
_MINUS = "\u2212"
_ROW_HEIGHT = 24
_ROWS_SHOWN = 8
_PICTURE_HEIGHT = 220
_COLUMNS = ("Label", "Before", "After", "Change", "95 %")
_HINTS = (
    "Label of the study",
    "The model in use, mean over the judged cases",
    "The new model, mean over the judged cases",
    "Mean change, case by case",
    "The change lies in here with 95 % confidence",
)
_NUMBERS_FROM, _COLOURED_FROM = 1, 3
#: A change is coloured where its whole interval lies on one side of zero.
_BETTER, _WORSE = NOTICE_COLORS["done"], NOTICE_COLORS["error"]
_DECIDED = {
    "promoted": "It is in use.",
    "kept": "It was kept as a version, and is not in use.",
    "discarded": "It was discarded.",
}
_EMPTY = {
    "queued": "The comparison follows at the end of the training.",
    "running": "The comparison follows at the end of the training.",
    "paused": "The comparison follows at the end of the training.",
    "interrupted": "The training was interrupted before the comparison.",
    "cancelled": "The training was cancelled: there is no new model.",
    "failed": "The training failed: there is no new model.",
}


class ComparisonPanel(QWidget):
    """The verdict with its reason, the table, pictures, and three buttons.

    Parameters
    ----------
    improving : Improving
    parent : QWidget, optional
        As for any widget.
    """

    def __init__(self, improving: Improving, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._improving = improving
        self._shown: Comparison | None = None
        self._number = 0
        self._reading = SingleJob(self)
        self.icon = QLabel(self)
        self.headline = QLabel(self)
        self.reason = QLabel(self)
        self.warnings = Notice(self)
        self.notes = QLabel(self)
        self.promote = PrimaryButton("&Promote", "done", self)
        self.keep = QPushButton("&Keep", self)
        self.discard = QPushButton("&Discard", self)
        self.table = QTableWidget(0, len(_COLUMNS), self)
        self.picture = Picture("Largest changes", self)
        self.before = IconButton("previous", "The picture before", self)
        self.after = IconButton("next", "The next picture", self)
        self.caption = QLabel(self)
        self._build()
        self.promote.clicked.connect(lambda: self._decide("promote"))
        self.keep.clicked.connect(lambda: self._decide("keep"))
        self.discard.clicked.connect(lambda: self._decide("discard"))
        self.before.clicked.connect(lambda: self._turn(-1))
        self.after.clicked.connect(lambda: self._turn(1))
        improving.watch.comparisonChanged.connect(self._on_comparison)
        improving.watch.changed.connect(self._refresh)
        improving.busyChanged.connect(self._refresh)
        self._on_comparison()

    def _build(self) -> None:
        """Lay the parts out."""
        font = self.headline.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.15)
        self.headline.setFont(font)
        self.headline.setWordWrap(True)
        self.reason.setWordWrap(True)
        self.notes.setWordWrap(True)
        self.notes.setEnabled(False)
        self.notes.setToolTip("What must be known to read the table")
        for label in (self.headline, self.reason, self.caption, self.notes):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.headline.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum
        )
        self.promote.setToolTip("Segment with the new model from the next case on")
        self.keep.setToolTip("Keep the new model as a version, and use the old one")
        self.discard.setToolTip("Decide against the new model")
        self._build_table()
        self.picture.setMinimumHeight(_PICTURE_HEIGHT)
        self.picture.setToolTip("Where the new model differs most: before, and after")
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(self.headline, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.promote, 2)
        buttons.addWidget(self.keep, 1)
        buttons.addWidget(self.discard, 1)
        turning = QHBoxLayout()
        turning.setSpacing(6)
        turning.addWidget(self.before)
        turning.addWidget(self.caption, 1, Qt.AlignmentFlag.AlignHCenter)
        turning.addWidget(self.after)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addWidget(self.reason)
        layout.addWidget(self.warnings)
        layout.addLayout(buttons)
        layout.addWidget(self.table)
        layout.addWidget(self.picture, 1)
        layout.addLayout(turning)
        layout.addWidget(self.notes)
        layout.addStretch(0)

    def _build_table(self) -> None:
        """Set the table up."""
        table = self.table
        for column, (title, hint) in enumerate(zip(_COLUMNS, _HINTS, strict=True)):
            item = QTableWidgetItem(title)
            item.setToolTip(hint)
            item.setTextAlignment(_side(column))
            table.setHorizontalHeaderItem(column, item)
        table.setAccessibleName("Before and after, by label")
        table.setToolTip("How good each label was before and is after")
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.setWordWrap(False)
        # "cerebral cortex" and "cerebral white matter" begin alike.
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(40)
        for column, width in ((1, 46), (2, 38), (3, 50), (4, 104)):
            header.resizeSection(column, width)

    def _on_comparison(self) -> None:
        """Show another comparison."""
        found = self._improving.watch.reading.comparison
        if found != self._shown:
            self._shown = found
            self._number = 0
            self._fill(found.rows if found is not None else ())
            self._turn(0)
        self._refresh()

    def _refresh(self) -> None:
        """Say what came out, and what can be done."""
        shown, improving = self._shown, self._improving
        job = improving.watch.chosen
        is_any = shown is not None
        for widget in (self.icon, self.reason, self.promote, self.keep, self.discard):
            widget.setVisible(is_any)
        self.table.setVisible(is_any and bool(shown and shown.rows))
        has_pictures = is_any and bool(shown and shown.pictures)
        many = has_pictures and bool(shown and len(shown.pictures) > 1)
        self.picture.setVisible(has_pictures)
        self.caption.setVisible(has_pictures)
        self.before.setVisible(many)
        self.after.setVisible(many)
        if shown is None:
            state = str(job.state) if job is not None else ""
            usual = "Nothing was compared yet."
            if state in ("done", "stopped"):
                usual = "The new model was not judged; see Versions."
            self.headline.setText(_EMPTY.get(state, usual))
            self.warnings.say("")
            self.notes.hide()
            return
        headline, level = OUTCOMES.get(
            shown.outcome, ("The new model is there", "info")
        )
        self.headline.setText(headline)
        self.icon.setPixmap(pixmap(level, NOTICE_COLORS[level], 22))
        self.reason.setText(sentence(shown.reason))
        self.warnings.say("\n".join(map(sentence, shown.warnings)), "warning")
        self.notes.setText("\n".join(map(sentence, shown.notes)))
        self.notes.setVisible(bool(shown.notes))
        decided = _DECIDED.get(shown.decision)
        if decided is not None:
            self.headline.setText(f"{headline}. {decided}")
        reason = improving.refusal
        if improving.is_busy:
            reason = reason or "something is being done"
        in_use = "it is in use" if shown.decision == "promoted" else None
        no_longer = decided.rstrip(".").lower() if decided is not None else None
        gone = None if shown.decision != "discarded" else no_longer
        allow(self.promote, reason or in_use or gone)
        allow(self.keep, reason or no_longer)
        allow(self.discard, reason or no_longer)

    def _fill(self, rows: tuple[ChangeRow, ...]) -> None:
        """Show the table."""
        table = self.table
        table.clearSpans()
        table.setRowCount(0)
        section = ""
        for row in rows:
            if row.section != section:
                section = row.section
                number = table.rowCount()
                table.insertRow(number)
                title = QTableWidgetItem(section)
                title.setFlags(Qt.ItemFlag.NoItemFlags)
                table.setItem(number, 0, title)
                table.setSpan(number, 0, 1, len(_COLUMNS))
            number = table.rowCount()
            table.insertRow(number)
            for column, text in enumerate(_texts(row)):
                item = QTableWidgetItem(text)
                item.setTextAlignment(_side(column))
                item.setToolTip(_told(row))
                if column >= _COLOURED_FROM and (color := _color(row)) is not None:
                    item.setForeground(color)
                table.setItem(number, column, item)
        shown = min(max(1, table.rowCount()), _ROWS_SHOWN)
        head = self.table.horizontalHeader().sizeHint().height()
        frame = 2 * self.table.frameWidth()
        self.table.setFixedHeight(head + shown * _ROW_HEIGHT + frame + 2)

    def _turn(self, step: int) -> None:
        """Show another picture of what changed."""
        pictures = self._shown.pictures if self._shown is not None else ()
        if not pictures:
            self._reading.drop()
            self.picture.show_image(None)
            return
        self._number = (self._number + step) % len(pictures)
        path = pictures[self._number]
        self.caption.setText(f"{self._number + 1} of {len(pictures)}: {path.stem}")
        self._reading.start(
            lambda _: QImage(str(path)), "MedNeXt: reading", self.picture.show_image
        )

    def _decide(self, decision: str) -> None:
        shown = self._shown
        if shown is None:
            return
        if decision == "promote" and shown.outcome == "worse":
            text = f"{sentence(shown.reason)}\nUse the new model all the same?"
            answer = QMessageBox.question(self, "The new model is worse", text)
            if answer != QMessageBox.StandardButton.Yes:
                return
        getattr(self._improving, decision)(shown.job)


def _texts(row: ChangeRow) -> tuple[str, ...]:
    """Return the texts of a row."""
    interval = _NOTHING
    if row.low is not None and row.high is not None:
        interval = f"{_signed(row.low)} to {_signed(row.high)}"
    name = f"{row.name} (new)" if row.is_new else row.name
    return name, _plain(row.before), _plain(row.after), _signed(row.change), interval


def _told(row: ChangeRow) -> str:
    """Return a row as a sentence."""
    texts = _texts(row)
    return (
        f"{row.name}, {row.section} over {row.units}: {texts[1]} before, "
        f"{texts[2]} after; change {texts[3]} ({texts[4]})"
    )


def _plain(value: float | None) -> str:
    """Return a share of one, without the zero that all of them begin with."""
    if value is None:
        return _NOTHING
    return f"{value:.3f}".removeprefix("0")


def _signed(value: float | None) -> str:
    """Return a change with its sign."""
    if value is None:
        return _NOTHING
    return ("+" if value >= 0 else _MINUS) + _plain(abs(value))


def _color(row: ChangeRow) -> QColor | None:
    """Return the colour of a change that is no accident."""
    if row.low is None or row.high is None:
        return None
    if row.low > 0:
        return _BETTER
    return _WORSE if row.high < 0 else None


def _side(column: int) -> Qt.AlignmentFlag:
    """Return texts to the left, figures to the right."""
    left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
    side = left if column < _NUMBERS_FROM else right
    return side | Qt.AlignmentFlag.AlignVCenter
