"""Cases that are made ready while the same case, or another one, is opened."""

import threading

import pytest

from napari_mednext.app.desk import Desk
from napari_mednext.app.open_case import OpenCase
from napari_mednext.errors import StorageError
from napari_mednext.study import locks
from tests.app.desk_parts import DeskSession, make_study


@pytest.fixture
def study(tmp_path):
    with make_study(tmp_path) as study:
        yield study


@pytest.fixture
def desk(study, monkeypatch):
    desk = Desk(DeskSession(), study, model="any")

    def version():
        return study.model(study.model_code("any", "digest"))

    monkeypatch.setattr(desk, "version", version)
    yield desk
    desk.close()


def preparing(desk, name):
    """Begin to make a case ready; it stops in the engine."""
    desk.session.service.hold.clear()
    thread = threading.Thread(target=desk.prepare, args=(name,), daemon=True)
    thread.start()
    while name not in desk.session.service.runs:
        threading.Event().wait(0.005)
    return thread


def test_a_case_that_somebody_else_has_is_not_made_ready(desk):
    first = desk.open("case1")
    desk.prepare("case1")
    assert desk.prepared is None
    first.close()
    case = desk.open("case1")
    assert not case.is_read_only
    case.close()


def test_a_case_that_cannot_be_let_go_keeps_no_other_one_waiting(desk, monkeypatch):
    desk.prepare("case1")

    close = OpenCase.close

    def full(case):
        close(case)
        msg = "the disk is full"
        raise StorageError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(OpenCase, "close", full)
        desk.prepare("case2")
    opened = []
    thread = threading.Thread(
        target=lambda: opened.append(desk.open("case2")), daemon=True
    )
    thread.start()
    thread.join(10)
    assert [case.name for case in opened] == ["case2"]
    opened[0].close()


@pytest.mark.parametrize("stop", [Desk.yield_engine, lambda d: d.use_model("b")])
def test_a_case_that_was_stopped_can_be_opened_at_once(desk, monkeypatch, stop):
    thread = preparing(desk, "case1")
    may_let_go = threading.Event()
    close = locks.CaseLock.release

    def slow(lock):
        may_let_go.wait(10)
        close(lock)

    monkeypatch.setattr(locks.CaseLock, "release", slow)
    stop(desk)
    desk.session.service.hold.set()
    threading.Timer(0.2, may_let_go.set).start()
    case = desk.open("case1")
    assert not case.is_read_only
    case.close()
    thread.join()


def test_a_case_that_gave_way_is_made_ready_later(desk):
    thread = preparing(desk, "case1")
    threading.Timer(0.1, desk.session.service.hold.set).start()
    first = desk.open("case0")
    thread.join()
    desk.prepare("case1")
    assert desk.prepared == "case1"
    first.close()


def test_a_closed_desk_has_let_go_of_what_was_ready(desk, study):
    desk.prepare("case1")
    desk.close()
    with study.lock("case1") as lock:
        assert lock.held


def test_a_desk_that_closes_meanwhile_lets_go(desk, study):
    thread = preparing(desk, "case1")
    desk.close()
    thread.join()
    with study.lock("case1") as lock:
        assert lock.held
