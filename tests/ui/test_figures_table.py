"""The table of figures: its order, its widths, and the names that stay in sight."""

from dataclasses import dataclass

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor

from napari_mednext.ui.figures_table import NAME_PX, NOTHING, Column, FiguresTable


@dataclass(frozen=True)
class Row:
    value: int
    name: str
    color: tuple
    size: float | None


ROWS = (
    Row(1, "Liver", (1, 2, 3), 9.0),
    Row(2, "aorta", (4, 5, 6), 10.0),
    Row(5, "cyst", (7, 8, 9), None),
    Row(7, "spleen", (7, 8, 9), 2.0),
    Row(8, "nodule", (7, 8, 9), None),
)


def columns(count=1):
    return [
        Column(
            f"Size {n}",
            "How large",
            lambda row: NOTHING if row.size is None else f"{row.size:g} mm",
            lambda row: row.size,
        )
        for n in range(count)
    ]


@pytest.fixture
def table(qtbot):
    table = FiguresTable(columns(), "Sizes")
    qtbot.addWidget(table)
    table.set_rows(ROWS)
    table.resize(260, 200)
    table.show()
    return table


def click_heading(qtbot, view, column):
    header = view.horizontalHeader()
    place = header.rect().center()
    place.setX(header.sectionViewportPosition(column) + 30)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def names(table):
    return [cells[0] for cells in table.shown()]


def test_a_click_on_a_heading_sorts_by_the_figure_and_not_by_its_text(qtbot, table):
    assert names(table) == ["Liver", "aorta", "cyst", "spleen", "nodule"]
    click_heading(qtbot, table, 1)
    up = [cells[1] for cells in table.shown()]
    click_heading(qtbot, table, 1)
    down = [cells[1] for cells in table.shown()]
    assert sorted((up, down)) == sorted(
        (
            ["2 mm", "9 mm", "10 mm", NOTHING, NOTHING],
            ["10 mm", "9 mm", "2 mm", NOTHING, NOTHING],
        )
    )
    click_heading(qtbot, table, 1)
    assert names(table) == ["Liver", "aorta", "cyst", "spleen", "nodule"]


def test_names_sort_without_regard_to_capitals(qtbot, table):
    click_heading(qtbot, table.names, 0)
    assert names(table) == ["aorta", "cyst", "Liver", "nodule", "spleen"]
    assert table.horizontalHeader().sortIndicatorSection() == 0
    click_heading(qtbot, table, 1)
    assert table.names.horizontalHeader().sortIndicatorSection() == 1


def test_other_rows_keep_the_order_that_was_chosen(qtbot, table):
    click_heading(qtbot, table.names, 0)
    table.set_rows([*ROWS, Row(9, "bladder", (0, 0, 0), 1.0)])
    assert names(table) == ["aorta", "bladder", "cyst", "Liver", "nodule", "spleen"]


def test_a_row_tells_its_label_also_when_it_is_sorted(qtbot, table):
    chosen, places, copies = [], [], []
    table.labelChosen.connect(chosen.append)
    table.placeWanted.connect(places.append)
    table.copyWanted.connect(lambda: copies.append(1))
    click_heading(qtbot, table.names, 0)
    for view, column in ((table, 1), (table.names, 0)):
        place = view.visualRect(table.model().index(3 + column, column)).center()
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert chosen == [7, 8]
    assert places == [7, 8]
    with qtbot.waitActive(table):
        table.activateWindow()
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert copies == [1]


def test_cells_say_what_they_are(table):
    model = table.figures
    swatch = model.index(1, 0).data(Qt.ItemDataRole.DecorationRole)
    assert swatch == QColor(4, 5, 6)
    assert model.index(1, 1).data(Qt.ItemDataRole.DecorationRole) is None
    hint = model.index(0, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert hint == "Liver: label value 1\nSize 0: 9 mm"
    heading = model.headerData(
        1, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
    )
    assert heading == "How large; a click sorts"
    assert model.headerData(0, Qt.Orientation.Horizontal) == "Label"
    assert model.headerData(0, Qt.Orientation.Vertical) is None
    sides = [model.index(0, c).data(Qt.ItemDataRole.TextAlignmentRole) for c in (0, 1)]
    assert sides[0] & int(Qt.AlignmentFlag.AlignLeft)
    assert sides[1] & int(Qt.AlignmentFlag.AlignRight)


def test_names_take_what_is_left_and_stay_in_sight_when_scrolled(qtbot):
    table = FiguresTable(columns(9), "Sizes")
    qtbot.addWidget(table)
    table.set_rows(ROWS * 9)
    table.resize(340, 160)
    table.show()
    assert table.columnWidth(0) == NAME_PX
    bar = table.horizontalScrollBar()
    assert bar.maximum() > 0
    bar.setValue(bar.maximum())
    corner = table.names.viewport().mapTo(
        table, table.names.viewport().rect().topLeft()
    )
    assert corner == table.viewport().mapTo(table, table.viewport().rect().topLeft())
    assert table.names.columnWidth(0) == NAME_PX
    table.verticalScrollBar().setValue(7)
    assert table.names.verticalScrollBar().value() == 7
    assert table.names.rowAt(5) == table.rowAt(5)
    table.resize(2000, 160)
    qtbot.waitUntil(lambda: bar.maximum() == 0)
    widths = [table.columnWidth(n) for n in range(10)]
    assert sum(widths) == table.viewport().width()
    assert table.names.viewport().width() == widths[0]
