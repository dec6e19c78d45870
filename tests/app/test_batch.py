"""Batches with real files and an engine that needs no torch."""

import os
import sys
import threading

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name everybody uses

from napari_mednext.app.batch import BatchState, run_batch
from napari_mednext.app.engine import WithProbabilities
from napari_mednext.app.outputs import find_inputs, plan_outputs
from napari_mednext.errors import (
    Cancelled,
    ChannelError,
    InputError,
    ModelError,
    StorageError,
)
from napari_mednext.formats import Source, find_sources, open_volume, save_volume
from napari_mednext.progress import Progress, check_cancelled
from napari_mednext.volume import Segmentation, Volume, VoxelGrid

ANGLE = np.radians(12)
GRID = VoxelGrid(
    shape=(5, 7, 6),
    spacing=(3.0, 0.5, 0.7),
    origin=(-4.0, 10.0, 2.0),
    direction=(
        (np.cos(ANGLE), -np.sin(ANGLE), 0.0),
        (np.sin(ANGLE), np.cos(ANGLE), 0.0),
        (0.0, 0.0, 1.0),
    ),
)


class Threshold:
    """Labels what is above zero; fails as told by the name of the volume."""

    def __init__(self, **failures):
        self.failures = failures
        self.seen = []

    def segment(
        self,
        volume,
        *,
        probabilities=False,
        on_progress=None,
        cancel=None,
        **rest,
    ):
        assert set(rest) == {"model", "settings", "roi", "sides"}
        self.seen.append(volume.name)
        on_progress(Progress(1, 2, "segmenting", 1.0, 1.0))
        check_cancelled(cancel)
        for part, error in self.failures.items():
            if part in volume.name:
                raise error
        labels = (volume.array[0] > 0).astype(np.uint8)
        parts = {"names": {1: "bright"}, "source": volume.source}
        if probabilities:
            scores = np.stack([labels == 0, labels]).astype(np.float32)
            return WithProbabilities(labels, volume.grid, **parts, probabilities=scores)
        return Segmentation(labels, volume.grid, **parts)


def write(path, seed=0):
    array = np.random.default_rng(seed).normal(size=(1, *GRID.shape))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_volume(Volume(array.astype(np.float32), GRID), path)
    return path


@pytest.fixture
def scans(tmp_path):
    """Three scans; the second is damaged."""
    folder = tmp_path / "scans"
    for number, name in enumerate(("a", "b", "c")):
        write(folder / f"{name}.nii.gz", number)
    damaged = folder / "b.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:200])
    return folder


def run(sources, out, segmenter=None, **rest):
    events = []
    report = run_batch(
        sources,
        out,
        model="any",
        segmenter=segmenter or Threshold(),
        on_event=events.append,
        **rest,
    )
    return report, events


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_bad_scan_is_named_and_the_others_are_done(scans, tmp_path):
    out = tmp_path / "masks"
    report, events = run(find_sources(scans), out)
    assert [r.state for r in report.results] == ["saved", "failed", "saved"]
    assert names(out) == ["a.nii.gz", "c.nii.gz"]
    failed = report.failed[0]
    assert failed.item.name == "b"
    assert failed.sentence
    assert "\n" not in failed.sentence
    for name in ("a", "c"):
        scan, mask = (
            open_volume(scans / f"{name}.nii.gz"),
            open_volume(out / f"{name}.nii.gz"),
        )
        assert mask.grid.is_close(scan.grid)
        np.testing.assert_array_equal(mask.array[0], scan.array[0] > 0)
    assert report.saved[0].table[0].volume_ml == pytest.approx(
        np.count_nonzero(open_volume(scans / "a.nii.gz").array > 0)
        * 3
        * 0.5
        * 0.7
        / 1e3
    )
    states = [(e.item.name, str(e.state)) for e in events]
    assert states[:3] == [("a", "queued"), ("b", "queued"), ("c", "queued")]
    assert [s for n, s in states[3:] if n == "a"] == [
        "reading",
        "segmenting",
        "segmenting",
        "writing",
        "saved",
    ]
    assert [s for n, s in states[3:] if n == "b"] == ["reading", "failed"]
    assert [e.done for e in events if e.state.is_end] == [1, 2, 3]
    assert {e.total for e in events} == {3}


def test_time_left_counts_the_waiting_scans(scans, tmp_path):
    (scans / "b.nii.gz").unlink()
    _, events = run(find_sources(scans), tmp_path / "masks")
    told = [e for e in events if e.progress is not None]
    assert events[0].remaining_s is None
    first = told[0].remaining_s
    assert first > 2 * told[0].progress.remaining_s - 1e-6
    assert told[1].remaining_s == pytest.approx(1.0)


def test_existing_output_is_kept_and_said_without_reading(scans, tmp_path):
    out = tmp_path / "masks"
    out.mkdir()
    (out / "a.nii.gz").write_bytes(b"precious")
    segmenter = Threshold()
    report, _ = run(find_sources(scans), out, segmenter)
    assert "must not exist yet" in report.results[0].sentence
    assert (out / "a.nii.gz").read_bytes() == b"precious"
    assert segmenter.seen == ["c"]
    report, _ = run(find_sources(scans), out, overwrite=True)
    assert [r.state for r in report.results] == ["saved", "failed", "saved"]
    assert open_volume(out / "a.nii.gz").grid.is_close(GRID)


def test_a_scan_is_never_replaced_by_its_mask(scans):
    before = {path: path.read_bytes() for path in scans.iterdir()}
    report, _ = run(find_sources(scans), scans, overwrite=True)
    assert [r.state for r in report.results] == ["failed"] * 3
    assert "would replace the scan" in report.results[0].sentence
    assert {path: path.read_bytes() for path in scans.iterdir()} == before


def test_two_scans_never_share_a_mask(tmp_path):
    first, second = write(tmp_path / "x" / "s.nii.gz"), write(tmp_path / "y" / "s.nrrd")
    sources = (Source("s", (first,)), Source("S", (second,)))
    report, _ = run(sources, tmp_path / "masks")
    assert [r.state for r in report.results] == ["saved", "failed"]
    assert "must have a file of its own" in report.results[1].sentence


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ChannelError("two channels, not one"), "two channels, not one"),
        (MemoryError(), "must fit into memory"),
        (ZeroDivisionError("oh"), "unexpected ZeroDivisionError: oh"),
    ],
)
def test_any_failure_of_one_scan_leaves_the_others(scans, tmp_path, error, sentence):
    report, _ = run(find_sources(scans), tmp_path / "masks", Threshold(a=error))
    assert sentence in report.results[0].sentence
    assert report.results[2].state is BatchState.SAVED


def test_unusable_model_ends_the_batch(scans, tmp_path):
    out = tmp_path / "masks"
    with pytest.raises(ModelError, match="no such model"):
        run(find_sources(scans), out, Threshold(a=ModelError("no such model")))
    assert names(out) == []


def test_cancel_keeps_what_is_saved_and_leaves_nothing_half_written(scans, tmp_path):
    (scans / "b.nii.gz").unlink()
    cancel, out, events = threading.Event(), tmp_path / "masks", []

    def on_event(event):
        events.append(event)
        if event.done == 1:
            cancel.set()

    report = run_batch(
        find_sources(scans),
        out,
        model="any",
        segmenter=Threshold(),
        on_event=on_event,
        cancel=cancel,
    )
    assert [r.state for r in report.results] == ["saved", "cancelled"]
    assert report.was_cancelled
    assert names(out) == ["a.nii.gz"]


def test_interrupt_leaves_no_partial_file(scans, tmp_path, monkeypatch):
    """A Ctrl-C while the mask is being written."""
    out = tmp_path / "masks"

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(find_sources(scans), out, probabilities=True)
    assert names(out) == []


def test_probabilities_are_written_beside_the_mask(scans, tmp_path):
    out = tmp_path / "masks"
    run(find_sources(scans / "a.nii.gz"), out, probabilities=True)
    assert names(out) == ["a.nii.gz", "a_probabilities.nii.gz"]
    scores, mask = (open_volume(out / name) for name in names(out)[::-1])
    assert scores.channels == 2
    assert scores.grid.is_close(GRID)
    np.testing.assert_array_equal(scores.array[1], mask.array[0])


def test_probabilities_do_not_stay_without_their_mask(scans, tmp_path, monkeypatch):
    out = tmp_path / "masks"

    def fail(*_, **__):
        msg = "the disk is full"
        raise StorageError(msg)

    monkeypatch.setattr("napari_mednext.formats.save_segmentation", fail)
    report, _ = run(find_sources(scans / "a.nii.gz"), out, probabilities=True)
    assert report.failed[0].sentence == "the disk is full"
    assert names(out) == []


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root writes everywhere"
)
def test_read_only_folder_is_refused_before_work(scans, tmp_path):
    out = tmp_path / "masks"
    out.mkdir(mode=0o500)
    with pytest.raises(StorageError, match="must be writable"):
        run(find_sources(scans), out)


def test_output_folder_that_is_a_file_is_refused_before_work(scans, tmp_path):
    out = tmp_path / "masks"
    out.write_text("a file")
    segmenter = Threshold()
    with pytest.raises(StorageError, match=r"must be writable, .*masks answers"):
        run(find_sources(scans), out, segmenter)
    assert segmenter.seen == []


def test_channels_of_nnunet_make_one_scan(tmp_path):
    folder = tmp_path / "imagesTs"
    for case in ("p1", "p2"):
        for channel in range(2):
            write(folder / f"{case}_{channel:04d}.nii.gz", channel)
    report, _ = run(find_sources(folder), tmp_path / "masks")
    assert [r.item.output.name for r in report.results] == ["p1.nii.gz", "p2.nii.gz"]
    assert [len(r.item.source.paths) for r in report.results] == [2, 2]
    assert len(report.saved) == 2


def test_one_scan_and_a_known_ending_make_a_file(tmp_path):
    source = Source("s", (tmp_path / "s.nii.gz",))
    for name in ("m.nii", "m.nii.gz", "m.NRRD", "m.mha", "m.mhd"):
        assert plan_outputs([source], tmp_path / name)[0].output == tmp_path / name
    (item,) = plan_outputs([source], tmp_path / "m.nii.gz")
    assert item.probabilities_output == tmp_path / "m_probabilities.nii.gz"


@pytest.mark.parametrize("out", ["masks", "masks.v2", ".nii.gz", "folder.nii.gz"])
def test_everything_else_is_a_folder(tmp_path, out):
    (tmp_path / "folder.nii.gz").mkdir()
    source = Source("s", (tmp_path / "s.nii.gz",))
    (item,) = plan_outputs([source], tmp_path / out, file_format="mha")
    assert item.output == tmp_path / out / "s.mha"


def test_several_scans_make_a_folder_whatever_its_name(tmp_path):
    sources = [Source(name, (tmp_path / f"{name}.nii",)) for name in "st"]
    items = plan_outputs(sources, tmp_path / "m.nii.gz")
    assert [item.output for item in items] == [
        tmp_path / "m.nii.gz" / "s.nii.gz",
        tmp_path / "m.nii.gz" / "t.nii.gz",
    ]


def test_format_must_be_known_and_agree_with_the_file(tmp_path):
    source = Source("s", (tmp_path / "s.nii.gz",))
    with pytest.raises(InputError, match=r"must be one of nii\.gz, .*, got 'jpg'"):
        plan_outputs([source], tmp_path, file_format="jpg")
    with pytest.raises(InputError, match=r"must end in \.mha .* got 'm\.nii'"):
        plan_outputs([source], tmp_path / "m.nii", file_format="mha")


def test_find_inputs_names_the_bad_ones_and_keeps_the_good(scans, tmp_path):
    missing, empty = tmp_path / "nothing.nii.gz", tmp_path / "empty"
    empty.mkdir()
    sources, refused = find_inputs([scans / "a.nii.gz", missing, empty])
    assert [source.name for source in sources] == ["a"]
    assert [each.path for each in refused] == [missing, empty]
    assert all(each.sentence for each in refused)


def test_find_inputs_that_only_fail_together_are_all_refused(monkeypatch):
    def find(paths):
        if len(paths) > 1:
            msg = "they do not fit together"
            raise InputError(msg)
        return (Source("s", tuple(paths)),)

    monkeypatch.setattr("napari_mednext.formats.find_sources", find)
    sources, refused = find_inputs(["a.nii", "b.nii"])
    assert sources == ()
    assert {each.sentence for each in refused} == {"they do not fit together"}


def test_frames_are_chosen_or_the_file_says_how_many(tmp_path):
    frames = np.random.default_rng(0).normal(size=(3, *GRID.shape)).astype(np.float32)
    image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in frames])
    sitk.WriteImage(image, str(tmp_path / "bold.nii.gz"))
    sources = find_sources(tmp_path / "bold.nii.gz")
    report, _ = run(sources, tmp_path / "none")
    assert "choose a frame from 0 to 2" in report.failed[0].sentence
    report, _ = run(sources, tmp_path / "one", frame=2)
    mask = open_volume(report.saved[0].item.output).array[0]
    np.testing.assert_array_equal(mask, frames[2] > 0)


def test_cancelled_before_the_first_scan(scans, tmp_path):
    cancel = threading.Event()
    cancel.set()
    segmenter = Threshold(a=Cancelled("never"))
    report, _ = run(find_sources(scans), tmp_path / "m", segmenter, cancel=cancel)
    assert {r.state for r in report.results} == {BatchState.CANCELLED}
    assert segmenter.seen == []
