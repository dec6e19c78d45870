"""The tree of versions, and what each of them allows."""

import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_mednext.ui.controls import why_not
from napari_mednext.ui.versions_panel import VersionsPanel
from tests.ui.improve_parts import ImproveBench, tree


@pytest.fixture
def bench(qtbot, until, tmp_path):
    bench = ImproveBench(qtbot, tmp_path)
    bench.desk.kept = tree(tmp_path)
    bench.panel = VersionsPanel(bench.improving, bench.top)
    bench.top.show()
    bench.improving.follow(bench.flow)
    until(lambda: bench.panel._versions)
    yield bench
    bench.top.hide()
    bench.close(until)


def outline(item):
    return {
        item.child(n).text(0): outline(item.child(n)) for n in range(item.childCount())
    }


def choose(panel, name):
    from qtpy.QtCore import Qt

    flags = Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive
    (item,) = panel.tree.findItems(name, flags)
    panel.tree.setCurrentItem(item)


def test_each_version_hangs_below_the_one_it_was_trained_from(bench):
    panel = bench.panel
    assert outline(panel.tree.invisibleRootItem()) == {
        "Brain MR": {"brain_mr-v2": {"brain_mr-v3": {}, "brain_mr-v4": {}}}
    }
    assert panel.version().name == "brain_mr-v2"
    assert panel.tree.currentItem().text(1) == "in use"
    assert panel.disk.text() == "The study takes 1.7 GB: models 310 MB, jobs 1.4 GB."


def test_what_is_in_use_cannot_be_removed_and_what_is_not_ours_neither(bench):
    panel = bench.panel
    assert why_not(panel.remove) == why_not(panel.use) == "it is in use"
    choose(panel, "Brain MR")
    assert "kept in the study" in why_not(panel.remove)
    assert panel.use.isEnabled()
    choose(panel, "brain_mr-v3")
    assert panel.remove.isEnabled()


def test_a_version_is_used_rolled_back_and_exported(
    bench, until, monkeypatch, tmp_path
):
    panel, desk = bench.panel, bench.desk
    used = []
    bench.improving.modelUsed.connect(used.append)
    choose(panel, "brain_mr-v3")
    panel.use.click()
    until(lambda: used and not bench.improving.is_busy)
    assert used == [tmp_path / "brain_mr-v3"]
    assert bench.flow.desk.model == tmp_path / "brain_mr-v3"
    panel.back.click()
    until(lambda: len(used) == 2 and not bench.improving.is_busy)
    assert bench.flow.desk.model.name == "brain_mr"
    target = tmp_path / "out"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(target), "Folders (*)")
    )
    until(lambda: panel.version() is not None)
    path = panel.version().path
    panel.export.click()
    until(lambda: panel.notice.level == "done")
    assert desk.calls[-1] == ("export", path, target)


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_nothing_is_removed_without_a_question(bench, until, monkeypatch, answer):
    given = getattr(QMessageBox.StandardButton, answer)
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *a: asked.append(a[2]) or given)
    panel = bench.panel
    choose(panel, "brain_mr-v3")
    panel.remove.click()
    assert asked == ["Delete brain_mr-v3 (61 MB) for good?"]
    if answer == "Yes":
        until(lambda: len(panel._versions) == 3)
    assert ("brain_mr-v3" in {v.name for v in bench.desk.kept}) is (answer == "No")
