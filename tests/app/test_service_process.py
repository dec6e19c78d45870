"""The child's side of the service, piece by piece in this process."""

import os
import queue
import subprocess
import sys

import numpy as np
import pytest

from napari_mednext.app import service_process
from napari_mednext.app.service_process import InferenceBackend
from napari_mednext.app.wire import Channel
from napari_mednext.errors import ChannelError
from napari_mednext.progress import Progress
from napari_mednext.volume import Segmentation, VoxelGrid

GRID = VoxelGrid((2, 3, 4))
LABELS = Segmentation(np.ones(GRID.shape, np.uint8), GRID, {1: "one"})


class Ended(BaseException):
    """Stands for the end of the process."""


class Recorder:
    """A channel that keeps what is sent, and gives what it was made with."""

    def __init__(self, *incoming):
        self.incoming = list(incoming)
        self.sent = []

    def send(self, message):
        self.sent.append(message)

    def receive(self):
        if not self.incoming:
            raise EOFError
        message = self.incoming.pop(0)
        if isinstance(message, BaseException):
            raise message
        return message


class Engine:
    """A backend that does what it is told."""

    def __init__(self, error=None):
        self.error = error
        self.loaded = None

    def warm(self):
        self._fail()
        return ("cpu",)

    def load(self, model, device):
        self._fail()
        self.loaded = (model, device)

    def segment(self, request, *, on_progress, on_preview, cancel):
        on_progress(Progress(1, 2, "segmenting", 3.0, 4.0))
        if on_preview is not None:
            on_preview(type("P", (), {"slices": "place", "labels": "some"}))
        self._fail()
        assert "previews" not in request
        assert not cancel.is_set()
        return LABELS

    def _fail(self):
        if self.error is not None:
            raise self.error


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    """Keep the meeting place of the user's processes out of the tests."""
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "state"))


@pytest.fixture
def ends(monkeypatch):
    """Exit codes of the process; ending stops the code as it would the process."""
    codes = []

    def end(code):
        codes.append(code)
        if len(codes) == 1:
            raise Ended

    monkeypatch.setattr(os, "_exit", end)
    return codes


def segment(engine, *, previews=True):
    channel = Recorder()
    flag = service_process._Flag(7, set())
    request = {"previews": previews}
    service_process._segment(engine, channel, 7, request, flag)
    return channel.sent


@pytest.mark.parametrize("previews", [True, False])
def test_a_run_ends_with_done(previews):
    *events, end = segment(Engine(), previews=previews)
    assert end == ("done", 7, LABELS)
    progress = ("progress", 7, 1, 2, "segmenting", 3.0, 4.0)
    preview = ("preview", 7, "place", "some")
    assert events == ([progress, preview] if previews else [progress])


def test_a_run_that_fails_ends_with_failed():
    *_, (kind, number, name, message, trace) = segment(Engine(ChannelError("no")))
    assert (kind, number, name, message) == ("failed", 7, "ChannelError", "no")
    assert "Traceback" in trace


class Asking(Engine):
    """A backend during which another process asks whether somebody segments."""

    ASK = "from napari_mednext.jobs.turns import is_segmenting; print(is_segmenting())"

    def segment(self, request, **options):
        self.heard = self.ask()
        return super().segment(request, **options)

    @classmethod
    def ask(cls):
        command = [sys.executable, "-c", cls.ASK]
        return subprocess.check_output(command, text=True).strip()


@pytest.mark.parametrize("error", [None, ChannelError("no")])
def test_trainings_hear_of_a_run_while_it_lasts_and_not_after(error):
    engine = Asking(error)
    segment(engine)
    assert engine.heard == "True"
    assert Asking.ask() == "False"


def test_a_run_goes_on_where_trainings_cannot_hear_of_it(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_MEDNEXT_STATE", str(tmp_path / "file"))
    assert segment(Engine())[-1] == ("done", 7, LABELS)


def test_ready_is_said_with_the_devices():
    channel = Recorder()
    service_process._warm(Engine(), channel)
    assert channel.sent == [("ready", 0, ("cpu",))]


def test_what_fails_while_warming_is_left_to_the_run(capsys):
    channel, engine = Recorder(), Engine(ImportError("no torch"))
    service_process._warm(engine, channel)
    service_process._load(engine, "m", "cpu")
    assert channel.sent == []
    assert capsys.readouterr().err.count("no torch") == 2


def test_loading_ahead():
    engine = Engine()
    service_process._load(engine, "m", "cpu")
    assert engine.loaded == ("m", "cpu")


def test_flag_is_that_of_its_run():
    cancelled = set()
    flag, other = (service_process._Flag(n, cancelled) for n in (1, 2))
    cancelled.add(1)
    assert (flag.is_set(), other.is_set()) == (True, False)


def test_requests_are_queued_cancels_noted_and_the_end_of_the_pipe_ends(ends):
    work, cancelled = queue.SimpleQueue(), set()
    channel = Recorder(("segment", 1, {}), ("cancel", 1), ("load", "m", "cpu"))
    with pytest.raises(Ended):
        service_process._listen(channel, work, cancelled)
    assert (work.get_nowait()[0], work.get_nowait()[0]) == ("segment", "load")
    assert cancelled == {1}
    assert ends[0] == 0


def test_deaf_process_ends_loudly(ends, capsys):
    channel = Recorder(MemoryError("300 GB"))
    with pytest.raises(Ended):
        service_process._listen(channel, queue.SimpleQueue(), set())
    assert ends[0] == 1
    assert "300 GB" in capsys.readouterr().err


def test_nobody_to_answer_ends_the_process(ends):
    channel = Recorder()
    channel.send = lambda _: (_ for _ in ()).throw(BrokenPipeError())
    with pytest.raises(Ended):
        service_process._send(channel, ("done",))
    assert ends == [0]


@pytest.mark.skipif(sys.platform == "win32", reason="parents are POSIX")
def test_orphan_ends(ends):
    with pytest.raises(Ended):
        service_process._watch_parent(os.getppid() + 1)
    assert ends == [0]


def test_pipes_are_taken_and_prints_go_elsewhere(capfd):
    """Descriptors 0 and 1 are swapped here for a moment, as the child does for good."""
    kept = [os.dup(number) for number in (0, 1)]
    read, write = os.pipe()
    stdout = sys.stdout
    try:
        os.dup2(read, 0)
        os.dup2(write, 1)
        channel = service_process._take_pipes()
        os.write(1, b"printed by a library\n")
        channel.send("hello")
        assert channel.receive() == "hello"
        assert os.read(0, 10) == b""
    finally:
        sys.stdout = stdout
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
        for descriptor in (*kept, read, write):
            os.close(descriptor)
    channel._reader.close()
    channel._writer.close()
    assert "printed by a library" in capfd.readouterr().err
    assert isinstance(channel, Channel)


def test_result_of_the_engine_is_sent_as_a_class_without_torch(monkeypatch):
    class Odd(Segmentation):
        """As a result class in a module that imports torch."""

    class Scored(Odd):
        probabilities = np.zeros((2, *GRID.shape), np.float32)

    backend = InferenceBackend()

    class Doubted(Odd):
        doubt = np.full(GRID.shape, 7, np.uint8)

    class Both(Doubted, Scored):
        """Both of them."""

    cases = {
        Odd: "Segmentation",
        Scored: "WithProbabilities",
        Doubted: "WithDoubt",
        Both: "WithDoubtAndProbabilities",
    }
    for made, expected in cases.items():
        result = made(LABELS.array, GRID, LABELS.names)
        monkeypatch.setattr(backend._engine, "segment", lambda r=result, **_: r)
        sent = backend.segment({}, on_progress=None, on_preview=None, cancel=None)
        assert type(sent).__name__ == expected
        np.testing.assert_array_equal(sent.array, LABELS.array)
        assert sent.names == {1: "one"}
        for field in ("probabilities", "doubt"):
            assert getattr(sent, field, None) is getattr(made, field, None)
