"""From corrections to a better model: few actions, honest plans, no waiting."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_mednext
from napari_mednext.app.improve import ImprovePlan
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.ui import improving as improving_module
from napari_mednext.ui import job_watch, study_improve
from napari_mednext.ui.controls import why_not
from napari_mednext.ui.flow_base import Phase
from napari_mednext.ui.improve_dock import ImproveDock, show_improve_dock
from napari_mednext.ui.improve_wording import phase_line, plan_cases, plan_cost
from napari_mednext.ui.improving_shared import shared_improving
from napari_mednext.ui.study_dock import StudyDock
from napari_mednext.ui.study_improve import StudyImprove
from tests.app.desk_parts import make_study
from tests.ui.gaps import GapMeter
from tests.ui.improve_parts import PLAN, FakeDesk, ImproveBench, comparison
from tests.ui.study_parts import ModelSession


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(job_watch, "WATCH_MS", 30)
    monkeypatch.setattr(improving_module, "TOGETHER_MS", 1)
    monkeypatch.setattr(study_improve, "show_improve_dock", lambda viewer: None)


@pytest.fixture
def notes(monkeypatch):
    """What napari would notify people of."""
    told = []
    for name in ("show_info", "show_error"):
        monkeypatch.setattr(f"napari.utils.notifications.{name}", told.append)
    return told


@pytest.fixture
def bench(qtbot, until, tmp_path):
    bench = ImproveBench(qtbot, tmp_path)
    bench.dock = ImproveDock(bench.flow.viewer, improving=bench.improving)
    qtbot.addWidget(bench.dock)
    bench.dock.show()
    yield bench
    bench.dock.hide()
    bench.close(until)


def planned(bench, until, plan=PLAN):
    bench.desk.planned = plan
    bench.improving.follow(bench.flow)
    until(lambda: bench.improving.plan is not None)
    return bench.dock.panel


def test_without_a_study_it_says_so(bench):
    assert bench.dock.welcome.isVisible()
    assert why_not(bench.dock.panel.button) == "no study is open"
    assert bench.desk.calls == []


def test_the_plan_is_made_in_a_worker_and_told_in_words(bench, until):
    bench.desk.may_go.clear()
    bench.improving.follow(bench.flow)
    panel = bench.dock.panel
    assert panel.cost.text() == "Looking at what was corrected…"
    bench.desk.may_go.set()
    until(lambda: bench.improving.plan is not None)
    assert threading.get_ident() not in bench.desk.threads
    assert panel.cost.text() == (
        "About 6 min on this CPU · 1.9 GB of memory · 210 MB of disk"
    )
    assert panel.cases.text() == (
        "Learns from 2 cases: 7,342 reviewed voxels, 400 of them changed; repeats 1 "
        "case of before; judged on 1 case held out; new: lesion."
    )
    assert panel.button.isEnabled()


def test_a_gpu_and_other_schemes_are_named():
    plan = replace(PLAN, device="cuda:1", gpu_bytes=6_100_000_000, seconds=5400)
    assert plan_cost(plan).startswith("About 1 h 30 min on the GPU 1 · 1.9 GB")
    assert "6.1 GB on the GPU" in plan_cost(plan)
    alone = replace(PLAN, cases=PLAN.cases[:1], scheme="leave-one-out", new_labels=())
    assert plan_cases(alone).endswith("judged by leaving each case out once.")


def test_problems_disable_the_button_and_warnings_do_not(bench, until):
    problem = "an improvement must have at least 200 reviewed voxels, there are 3: tick"
    panel = planned(
        bench, until, ImprovePlan("m", problems=(problem,), warnings=("slow",))
    )
    assert why_not(panel.button) == problem
    assert panel.problems.text() == problem[0].upper() + problem[1:] + "."
    assert panel.warnings.text() == "Slow."
    bench.desk.planned = replace(PLAN, warnings=("little",))
    bench.improving.make_plan()
    until(panel.button.isEnabled)
    assert (panel.problems.text(), panel.warnings.text()) == ("", "Little.")


def test_a_read_only_study_can_be_looked_at(bench, until):
    bench.desk.problem = "the folder 'study' of the study is read-only"
    bench.desk.add(state="done")
    bench.improving.follow(bench.flow)
    until(lambda: bench.improving.watch.jobs)
    assert "read-only" in why_not(bench.dock.panel.button)
    assert "read-only" in why_not(bench.dock.jobs.delete)
    assert bench.dock.jobs.folder.isEnabled()


def test_an_effort_and_settings_make_another_plan(bench, until):
    panel = planned(bench, until)
    panel.efforts["thorough"].click()
    until(lambda: bench.improving.plan is not None)
    assert bench.desk.calls[-1][1] == ImproveSettings(effort="thorough")
    panel.more.expand(animate=False)
    panel.form.controls["steps"].value = 40
    panel.form.controls["learning_rate"].value = 3e-4
    wanted = ImproveSettings(effort="thorough", steps=40, learning_rate=3e-4)
    until(lambda: bench.desk.calls[-1][1] == wanted)
    panel.form.controls["kernel_size"].value = 4
    assert "odd" in panel.form_notice.text()
    assert why_not(panel.button) == "a setting under More is out of its range"
    panel.form.controls["kernel_size"].value = 5
    until(panel.button.isEnabled)
    panel.button.click()
    until(lambda: bench.desk.made)
    call = next(call for call in bench.desk.calls if call[0] == "start")
    assert call[1] == replace(wanted, kernel_size=5)
    assert call[2] == "brain_mr"


def test_curves_examples_and_log_are_those_of_the_chosen_job(bench, until):
    planned(bench, until)
    job = bench.desk.add(state="running", phase="training", step=2, total=9)
    job.tell("phase", phase="training", text="fold 2 of 3")
    job.tell("start", part="fold 2 of 3", step=0, steps=9, device="cpu", notes=["slow"])
    job.tell("step", step=2, loss=0.5, rate=0.1, seconds=1)
    job.tell("validation", step=2, dice={"dark": 0.75}, seconds=1)
    job.log = "hello"
    dock = bench.dock
    until(lambda: "0.750" in dock.plots.legend.text())
    assert dock.phase.text() == (
        "Training without the cases or slices that judge, 2 of 3"
    )
    assert dock.log.toPlainText() == "hello"
    assert dock.notes.text() == "Slow."
    assert dock._color_of("dark") is not None
    assert dock._color_of("nothing") is None


def test_the_end_is_a_notification_and_the_comparison(bench, until, notes):
    planned(bench, until)
    job = bench.desk.add(state="running")
    until(lambda: bench.improving.watch.jobs)
    job.comparison = comparison()
    bench.desk.move("0001-improve", state="done")
    until(lambda: notes)
    assert notes == ["MedNeXt: The new model is better."]
    assert bench.dock.tabs.currentIndex() == 1
    bench.desk.add(state="running")
    until(lambda: len(bench.improving.watch.jobs) == 2)
    bench.desk.move("0002-improve", state="failed", message="the disk is full")
    until(lambda: len(notes) == 2)
    assert notes[-1] == "MedNeXt: Improve brain_mr failed: The disk is full."


def test_closing_the_study_leaves_jobs_alone_and_opening_shows_them(bench, until):
    planned(bench, until)
    bench.desk.add(state="running")
    until(lambda: bench.improving.watch.jobs)
    calls = list(bench.desk.calls)
    bench.flow.close_study()
    assert bench.dock.welcome.isVisible()
    assert bench.improving.watch.jobs == ()
    assert bench.desk.calls == calls
    bench.flow.open_study(bench.folder, model="brain_mr")
    until(lambda: bench.improving.watch.jobs)
    assert bench.desk.calls.count(("revive",)) == 2


class Round(ImproveBench):
    """A study with scans, with the line of the Study dock."""

    def __init__(self, qtbot, folder):
        super().__init__(qtbot, folder)
        self.flow.close_study()
        (folder / "real").mkdir()
        self.study = make_study(folder / "real")
        self.line = StudyImprove(self.flow.viewer, self.flow, self.top)
        self.line.improving._make_desk = self._make
        self.improving = self.line.improving
        self.top.show()

    def close(self, until):
        self.line.end()
        self.top.hide()
        super().close(until)


@pytest.fixture
def round_(qtbot, until, tmp_path, monkeypatch):
    def version(desk):
        # A model is another one when its name is.
        name = getattr(desk.model, "name", str(desk.model))
        return desk.study.model(desk.study.model_code(name, "new"))

    monkeypatch.setattr("napari_mednext.app.desk.Desk.version", version)
    bench = Round(qtbot, tmp_path)
    bench.flow.use(bench.study, model="brain_mr")
    bench.flow.open_case("case0")
    until(lambda: bench.flow.case is not None and not bench.flow.is_busy_behind)
    yield bench
    bench.close(until)


def test_a_round_is_three_actions_and_the_next_case_has_the_new_model(
    round_, until, notes
):
    flow, line, desk = round_.flow, round_.line, round_.desk
    engine = round_.session.service
    assert engine.runs == ["case0", "case1"]
    place = tuple(np.array([n]) for n in (2, 3, 4))
    flow.layer.data_setitem(place, 2 - flow.case.editing.labels[place][0])
    line.button.click()  # 1
    assert line.line.text() == "Improving: starts"
    until(lambda: desk.made)
    # What was painted is on disk before the training reads it.
    assert round_.study.paths("case0").annotation.exists()
    desk.move("0001-improve", state="running", step=120, total=200, remaining_s=190)
    until(lambda: line.line.text() == "Improving: step 120 of 200, 3:10 min left")
    assert "already" in why_not(line.button)
    assert line.look.isVisible()
    assert not line.promote.isVisible()
    desk.made["0001-improve"].comparison = comparison()
    desk.move("0001-improve", state="done")
    until(line.promote.isVisible)
    assert line.line.text() == "A better model is ready"
    labels = flow.case.editing.labels.copy()
    engine.names = {1: "bright", 2: "dark"}
    used = []
    line.improving.modelUsed.connect(used.append)
    line.promote.click()  # 2
    until(lambda: used and not line.improving.is_busy)
    assert flow.desk.model == used[0]
    # The case in hand stays as it is.
    assert (flow.case.editing.labels == labels).all()
    assert flow.case.name == "case0"
    flow.next_case()  # 3
    until(lambda: flow.case is not None and flow.case.name == "case1")
    until(lambda: engine.runs.count("case1") == 2 and flow.phase is Phase.IDLE)
    until(lambda: flow.case.answer.version.name == "brain_mr-promoted")
    assert (flow.case.editing.labels == flow.case.answer.labels).all()
    until(lambda: not line.line.text())


def test_what_somebody_worked_on_is_not_segmented_again(round_, until):
    flow, line = round_.flow, round_.line
    engine = round_.session.service
    round_.study.set_state("case1", "in progress")
    round_.desk.add(state="done").comparison = comparison()
    until(line.promote.isVisible)
    line.promote.click()
    until(lambda: flow.desk.model != "brain_mr" and not line.improving.is_busy)
    runs = list(engine.runs)
    flow.next_case()
    until(lambda: flow.case is not None and flow.case.name == "case1")
    until(lambda: not flow.is_busy_behind and flow.phase is Phase.IDLE)
    assert [name for name in engine.runs[len(runs) :] if name == "case1"] == []


@pytest.mark.parametrize(("outcome", "is_taken"), [("same", True), ("worse", False),
                                                   ("unproven", False)])  # fmt: skip
def test_only_what_is_not_worse_can_be_taken_unseen(round_, until, outcome, is_taken):
    round_.desk.add(state="done").comparison = comparison(outcome=outcome)
    until(round_.line.look.isVisible)
    assert round_.line.promote.isVisible() is is_taken


def test_a_study_without_a_model_is_not_improved(round_):
    round_.flow.desk.model = None
    round_.line.improving.start()
    text, level = round_.said[-1]
    assert level == "warning"
    assert "no model" in text


def test_a_start_that_is_refused_is_a_sentence(round_, until):
    problem = "an improvement must have reviewed voxels, there are none: tick a slice"
    round_.desk.planned = ImprovePlan("m", problems=(problem,))
    round_.line.button.click()
    until(lambda: any(level == "error" for _, level in round_.said))
    assert round_.said[-1][0].startswith("An improvement must have reviewed voxels")
    assert not round_.line.improving.is_starting
    assert round_.desk.made == {}


def test_docks_of_one_window_share_it_and_those_of_another_do_not(qtbot, until):
    from napari.components import ViewerModel
    from napari.utils._proxies import PublicOnlyProxy
    from qtpy.QtWidgets import QApplication, QWidget

    viewer, other = ViewerModel(), ViewerModel()
    docks = [QWidget() for _ in range(3)]
    first = shared_improving(viewer, docks[0])
    assert shared_improving(PublicOnlyProxy(viewer), docks[1]) is first
    assert shared_improving(other, docks[2]) is not first
    gone = []
    first.destroyed.connect(lambda: gone.append(True))
    docks[0].deleteLater()
    QApplication.processEvents()
    assert not gone
    for dock in docks[1:]:
        dock.deleteLater()
    until(lambda: gone)


def test_the_window_goes_on_while_a_training_runs(bench, until, qtbot):
    planned(bench, until)
    job = bench.desk.add(state="running", total=500, remaining_s=9)
    job.tell("start", part="final", step=0, steps=500, device="cpu")
    until(lambda: bench.improving.watch.reading.detail is not None)
    dice = {f"label {n}": 0.5 for n in range(20)}
    meter = GapMeter()
    meter.start()
    for step in range(1, 120):
        job.tell("step", step=step, loss=1 / step, rate=0.1, seconds=1)
        job.tell("validation", step=step, dice=dice, seconds=1)
        bench.desk.move("0001-improve", step=step)
        qtbot.wait(10)
    meter.stop()
    assert meter.worst.ours_ms < 100


def test_every_control_has_a_name_and_a_tooltip(bench, until):
    from qtpy.QtWidgets import QAbstractButton, QAbstractItemView

    planned(bench, until)
    own = (
        bench.dock.panel,
        bench.dock.jobs,
        bench.dock.comparison,
        bench.dock.versions,
    )
    for part in own:
        for button in part.findChildren(QAbstractButton):
            if type(button).__module__.startswith("napari_mednext") or button.text():
                assert button.toolTip(), button.text()
                assert button.text() or button.accessibleName()
        for view in part.findChildren(QAbstractItemView):
            if type(view).__name__ in ("QTableWidget", "QTreeWidget", "JobTable"):
                assert view.accessibleName()


def test_the_study_dock_opens_the_other_one_beside_it(
    make_napari_viewer, tmp_path, until, monkeypatch, npe2pm
):
    monkeypatch.setattr(study_improve, "show_improve_dock", show_improve_dock)
    monkeypatch.setattr("napari_mednext.ui.__main__.register_plugin", lambda: None)
    manifest = PluginManifest.from_file(
        Path(napari_mednext.__file__).parent / "napari.yaml"
    )
    npe2pm.register(manifest)
    viewer = make_napari_viewer()
    dock = StudyDock(viewer, ModelSession())
    viewer.window.add_dock_widget(dock, name="MedNeXt: Study", area="right")
    improving = dock.improve.improving
    fake = FakeDesk(None, tmp_path / "jobs")
    improving._make_desk = lambda study: fake
    dock.flow.use(make_study(tmp_path), model="brain_mr")
    fake.add(state="done").comparison = comparison()
    improving.watch.look_now()
    until(lambda: not dock.improve.look.isHidden())
    dock.improve.look.click()
    other = viewer.window.dock_widgets["MedNeXt: Improve (napari-mednext)"]
    assert isinstance(other, ImproveDock)
    assert other.improving is improving
    assert other.tabs.currentIndex() == 1
    dock.improve.look.click()
    assert len(viewer.window.dock_widgets) == 2
    until(lambda: not dock.flow.is_busy_behind and dock.flow.case is not None)
    # The window is closed: everything ends, and the job is left alone.
    calls = [call for call in fake.calls if call[0] not in ("plan", "revive")]
    dock.end()
    assert improving.watch.jobs == ()
    assert calls == []
    until(lambda: not improving._planning._jobs)


def test_phases_are_said_in_words():
    assert phase_line("final", "final") == "Training the new model"
    told = phase_line("asking the new model", "fold 3 of 3")
    assert told == "Asking the new model"
    assert phase_line("", "") == ""
