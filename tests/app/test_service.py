"""The segmentation process, with a real child and an engine that needs no torch."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import MappingProxyType

import numpy as np
import psutil
import pytest

from napari_mednext.app.engine import WithDoubt
from napari_mednext.app.service import SegmentService
from napari_mednext.errors import Cancelled, ChannelError, MednextError, ResourceError
from napari_mednext.volume import Segmentation, SourceHeader, Volume, VoxelGrid

BACKEND = "tests.app.fake_backend:FakeBackend"
ANGLE = np.radians(20)
GRID = VoxelGrid(
    shape=(5, 7, 3),
    spacing=(3.0, 0.5, 0.7),
    origin=(-4.0, 10.0, 2.0),
    direction=(
        (np.cos(ANGLE), -np.sin(ANGLE), 0.0),
        (np.sin(ANGLE), np.cos(ANGLE), 0.0),
        (0.0, 0.0, 1.0),
    ),
)


def until(condition, timeout_s=20.0):
    """Wait for a condition, looking often."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@pytest.fixture
def volume():
    array = np.random.default_rng(1).normal(size=(1, *GRID.shape)).astype(np.float32)
    header = SourceHeader(
        Path("a.nii.gz"), "NIfTI", GRID, MappingProxyType({"code": 1})
    )
    return Volume(array, GRID, "case", header)


@pytest.fixture(scope="module")
def shared():
    with SegmentService(backend=BACKEND, patience_s=5.0) as service:
        yield service


@pytest.fixture
def service():
    with SegmentService(backend=BACKEND, patience_s=0.2) as service:
        yield service


def test_result_events_and_header_come_back_whole(shared, volume):
    progress, previews = [], []
    result = shared.segment(
        volume, model="plain", on_progress=progress.append, on_preview=previews.append
    )
    np.testing.assert_array_equal(result.array, (volume.array[0] > 0).astype(np.uint8))
    assert result.array.dtype == np.uint8
    assert result.grid == GRID
    assert result.source == volume.source
    assert result.names == {1: "bright"}
    assert [p.done for p in progress] == [1, 2, 3, 4, 5]
    assert (progress[0].total, progress[0].remaining_s) == (5, 2.0)
    shown = np.zeros(GRID.shape, np.uint8)
    for preview in previews:
        shown[preview.slices] = preview.labels
    np.testing.assert_array_equal(shown, result.array)


def test_doubt_comes_where_it_is_asked_for(shared, volume):
    plain = shared.segment(volume, model="plain")
    result = shared.segment(volume, model="plain", doubt=True)
    assert type(plain) is Segmentation
    assert type(result) is WithDoubt
    np.testing.assert_array_equal(result.array, plain.array)
    wanted = (255 * np.exp(-np.abs(volume.array[0]))).astype(np.uint8)
    np.testing.assert_array_equal(result.doubt, wanted)


def test_arrays_of_any_memory_order_arrive(shared):
    base = np.random.default_rng(2).normal(size=(6, 5, 4))
    for array in (base.T, base[::-1, ::2], np.asfortranarray(base)):
        volume = Volume(array, VoxelGrid(array.shape))
        result = shared.segment(volume, model="plain")
        np.testing.assert_array_equal(result.array, (array > 0).astype(np.uint8))


def test_child_stays_warm_between_runs(shared, volume):
    shared.segment(volume, model="plain")
    pid = shared.pid
    shared.segment(volume, model="plain")
    assert shared.pid == pid
    assert shared.devices == ("cpu", "cuda:0")


def test_start_returns_at_once_and_devices_follow(service):
    began = time.monotonic()
    service.start(model="plain", device="cpu")
    assert time.monotonic() - began < 1.0
    until(lambda: service.devices == ("cpu", "cuda:0"))


def test_refusal_in_the_child_keeps_its_class_and_sentence(shared, volume):
    with pytest.raises(ChannelError, match="expects 1 channel, got 2") as caught:
        shared.segment(volume, model="refuse")
    assert "fake_backend.py" in "".join(caught.value.__notes__)
    assert shared.segment(volume, model="plain").array.any()


def test_unexpected_error_becomes_one_sentence(shared, volume):
    with pytest.raises(MednextError, match=r"unexpected ZeroDivisionError \(division"):
        shared.segment(volume, model="bug")


def test_out_of_memory_in_the_child_is_a_resource_error(shared, volume):
    with pytest.raises(ResourceError, match="must fit into memory"):
        shared.segment(volume, model="memory")


def test_cancel_midway_keeps_the_child(shared, volume):
    cancel = threading.Event()
    shared.segment(volume, model="plain")
    pid = shared.pid
    with pytest.raises(Cancelled, match="cancelled"):
        shared.segment(
            volume,
            model="endless",
            on_progress=lambda p: cancel.set() if p.done > 3 else None,
            cancel=cancel,
        )
    assert shared.segment(volume, model="plain").array.any()
    assert shared.pid == pid


def test_cancelled_before_it_began_does_nothing(shared, volume):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled, match="cancelled"):
        shared.segment(volume, model="endless", cancel=cancel)


def test_error_in_a_callback_stops_the_run(shared, volume):
    def fail(progress):
        msg = f"a bug of the caller at {progress.done}"
        raise LookupError(msg)

    shared.segment(volume, model="plain")
    pid = shared.pid
    with pytest.raises(LookupError, match="caller"):
        shared.segment(volume, model="endless", on_progress=fail)
    assert shared.segment(volume, model="plain").array.any()
    assert shared.pid == pid


def test_second_run_waits_for_the_first_and_can_be_cancelled(shared, volume):
    first, second, began = threading.Event(), threading.Event(), threading.Event()
    ended = []

    def run():
        try:
            shared.segment(
                volume, model="endless", on_progress=lambda _: began.set(), cancel=first
            )
        except Cancelled:
            ended.append("cancelled")

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(10)
    threading.Timer(0.1, second.set).start()
    with pytest.raises(Cancelled, match="cancelled"):
        shared.segment(volume, model="plain", cancel=second)
    assert not ended
    first.set()
    thread.join(20)
    assert ended == ["cancelled"]


def test_deaf_child_is_ended_after_the_patience(service, volume):
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled, match="cancelled"):
        service.segment(volume, model="deaf", cancel=cancel)
    assert time.monotonic() - began < 20
    assert service.segment(volume, model="plain").array.any()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_killed_child_is_one_sentence_and_the_next_run_starts_another(service, volume):
    pids = []

    def kill(_):
        if not pids:
            pids.append(service.pid)
            os.kill(service.pid, signal.SIGKILL)

    with pytest.raises(
        ResourceError, match="it ended with SIGKILL: if memory"
    ) as error:
        service.segment(volume, model="endless", on_progress=kill)
    assert "a library prints something" in "".join(error.value.__notes__)
    assert service.pid is None
    assert not psutil.pid_exists(pids[0]), "a zombie is left"
    assert service.segment(volume, model="plain").array.any()
    assert service.pid != pids[0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_child_that_died_while_idle_is_replaced_silently(service, volume):
    service.segment(volume, model="plain")
    pid = service.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: service.pid is None)
    assert service.segment(volume, model="plain").array.any()


def test_close_ends_a_run_with_a_sentence(service, volume):
    began, caught = threading.Event(), []

    def run():
        try:
            service.segment(volume, model="endless", on_progress=lambda _: began.set())
        except ResourceError as error:
            caught.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(10)
    service.close()
    thread.join(20)
    assert "must stay alive" in caught[0]
    assert service.pid is None


def test_forgotten_service_leaves_no_process(volume):
    service = SegmentService(backend=BACKEND)
    service.segment(volume, model="plain")
    pid = service.pid
    del service
    gc.collect()
    until(lambda: not psutil.pid_exists(pid))


@pytest.mark.parametrize("ending", ["kill", "exit"])
def test_end_of_the_parent_ends_the_child(ending):
    code = (
        "import sys, threading\n"
        "from napari_mednext.app.service import SegmentService\n"
        "import numpy as np\n"
        "from napari_mednext.volume import Volume, VoxelGrid\n"
        f"service = SegmentService(backend={BACKEND!r})\n"
        "volume = Volume(np.ones((2, 2, 2)), VoxelGrid((2, 2, 2)))\n"
        "service.segment(volume, model='plain')\n"
        "print(service.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as parent:
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        if ending == "kill":
            parent.kill()
        else:
            parent.stdin.close()
        parent.wait(20)
        until(lambda: not _runs(child))


def longest_pause_while_sending(service, volume):
    """Seconds that another thread could not run while a volume was sent."""
    gaps, stop, cancel = [], threading.Event(), threading.Event()

    def tick():
        last = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        with pytest.raises(Cancelled, match="cancelled"):
            service.segment(
                volume,
                model="endless",
                on_progress=lambda _: cancel.set(),
                cancel=cancel,
            )
    finally:
        stop.set()
        thread.join()
    return max(gaps)


def test_large_volume_does_not_hold_the_interpreter_lock(shared):
    """Another thread keeps running while 300 MB travel.

    A busy machine may pause any thread; a held lock would do so every time.
    """
    array = np.zeros((300, 512, 512), np.float32)
    volume = Volume(array, VoxelGrid(array.shape))
    shared.segment(Volume(array[:1, :1, :1], VoxelGrid((1, 1, 1))), model="plain")
    pauses = []
    while not pauses or (min(pauses) >= 0.1 and len(pauses) < 5):
        pauses.append(longest_pause_while_sending(shared, volume))
    assert min(pauses) < 0.1, f"longest pauses {pauses} s"


def _runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
