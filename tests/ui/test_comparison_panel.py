"""What the comparison says, and what may be decided when."""

import pytest
from qtpy.QtWidgets import QMessageBox

from napari_mednext.app.improve_outcome import comparison_from
from napari_mednext.training.gate import GateReport, Verdict
from napari_mednext.training.gate.verdict import GroupChange, LabelChange, Suspicion
from napari_mednext.ui.comparison_panel import ComparisonPanel
from napari_mednext.ui.controls import why_not
from tests.ui.improve_parts import ImproveBench, comparison


@pytest.fixture
def bench(qtbot, until, tmp_path):
    bench = ImproveBench(qtbot, tmp_path)
    bench.panel = ComparisonPanel(bench.improving, bench.top)
    bench.job = bench.desk.add(state="done")
    yield bench
    bench.close(until)


def show(bench, until, **changes):
    bench.job.comparison = comparison(**changes)
    bench.improving.follow(bench.flow)
    until(lambda: bench.panel._shown is not None)
    return bench.panel


def cells(panel):
    table = panel.table
    return [
        [
            table.item(row, column).text()
            for column in range(5)
            if table.item(row, column)
        ]
        for row in range(table.rowCount())
    ]


def test_the_table_has_every_label_with_change_and_interval(bench, until):
    panel = show(bench, until)
    assert cells(panel) == [
        ["Mean Dice"],
        ["corrected", ".855", ".870", "+.015", "\u2212.001 to +.020"],
        ["Dice"],
        ["dark", ".810", ".860", "+.050", "+.020 to +.080"],
        ["bright", ".900", ".880", "\u2212.020", "\u2212.030 to \u2212.010"],
        ["lesion (new)", ".000", ".400", "+.400", "+.200 to +.600"],
        ["Surface Dice"],
        ["bright", ".900", ".900", "+.000", "\u2013"],
    ]
    colors = [panel.table.item(row, 3).foreground().color() for row in (1, 3, 4)]
    assert len({color.name() for color in colors}) == 3
    assert panel.headline.text() == "The new model is better"
    assert panel.reason.text().startswith("The mean Dice")


@pytest.mark.parametrize("decision", ["promote", "keep", "discard"])
def test_a_decision_is_made_once(bench, until, decision):
    panel = show(bench, until)
    getattr(panel, decision).click()
    past = {"promote": "promoted", "keep": "kept", "discard": "discarded"}[decision]
    until(lambda: panel._shown.decision == past and not bench.improving.is_busy)
    assert bench.desk.calls[-1] == (past, "0001-improve")
    assert not getattr(panel, decision).isEnabled()
    assert why_not(getattr(panel, decision))
    # What was kept can still be taken into use.
    assert panel.promote.isEnabled() is (decision == "keep")


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_worse_model_is_not_promoted_without_a_question(
    bench, until, monkeypatch, answer
):
    asked = []
    given = getattr(QMessageBox.StandardButton, answer)
    monkeypatch.setattr(QMessageBox, "question", lambda *a: asked.append(a[2]) or given)
    panel = show(bench, until, outcome="worse")
    panel.promote.click()
    assert len(asked) == 1
    until(lambda: not bench.improving.is_busy)
    promoted = ("promoted", "0001-improve") in bench.desk.calls
    assert promoted is (answer == "Yes")


@pytest.mark.parametrize(
    ("state", "words"),
    [("running", "follows"), ("failed", "failed"), ("done", "not judged")],
)
def test_without_a_comparison_it_says_why(bench, until, state, words):
    bench.desk.move("0001-improve", state=state)
    bench.improving.follow(bench.flow)
    until(lambda: bench.improving.watch.jobs)
    assert words in bench.panel.headline.text()
    assert bench.panel.promote.isHidden()
    assert bench.panel.table.isHidden()


def test_pictures_are_turned_over_in_a_ring(bench, until, tmp_path):
    paths = tuple(tmp_path / f"change_{n}.png" for n in (1, 2, 3))
    panel = show(bench, until, pictures=paths)
    seen = [panel.caption.text()]
    for _ in range(3):
        panel.after.click()
        seen.append(panel.caption.text())
    panel.before.click()
    assert seen[0] == seen[3] == "1 of 3: change_1"
    assert panel.caption.text() == "3 of 3: change_3"


def test_a_report_of_the_gate_becomes_rows_and_sentences(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (10, 2, 1):
        (folder / f"change_{number}.png").touch()
    label = LabelChange(3, "liver", False, 900, 4, 0.7, 0.8, 0.1, 0.05, 0.2)
    rim = LabelChange(
        5, "rim", True, 50, 2, 0.0, 0.5, 0.5, 0.4, 0.6, 0.1, 0.3, 0.2, None, None
    )
    absent = LabelChange(4, "gone", False, 0, 0)
    suspicions = [Suspicion("swapped", "a"), Suspicion("shifted", "b", "case1")]
    verdict = Verdict(
        "worse",
        "Worse: mean Dice falls (0.70 -> 0.60).",
        per_label=(label, absent, rim),
        groups=(GroupChange("old", 2, 0.9, 0.89, -0.01, None, None),),
        suspicions=tuple(suspicions),
    )
    report = GateReport(verdict, (), "2026-11-20T10:00:00+00:00", ("few slices",))
    found = comparison_from("0001-improve", report, tmp_path, "open")
    assert found.reason == "mean Dice falls (0.70 \u2192 0.60)."
    assert [path.name for path in found.pictures] == [
        "change_1.png", "change_2.png", "change_10.png",
    ]  # fmt: skip
    assert found.notes == ("few slices",)
    assert found.warnings == ("b",)
    assert [(row.section, row.name, row.change, row.low) for row in found.rows] == [
        ("Mean Dice", "old", -0.01, None),
        ("Dice", "liver", 0.1, 0.05),
        ("Dice", "rim", 0.5, 0.4),
        ("Surface Dice", "rim", 0.2, None),
    ]
