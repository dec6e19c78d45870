import pytest

from napari_mednext.progress import Progress
from napari_mednext.ui import wording
from napari_mednext.volume import SourceHeader, VoxelGrid
from tests.ui.conftest import oblique_grid


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.4, "59 s"), (60, "1:00 min"), (65, "1:05 min"), (7800, "2:10 h")],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("ml", "text"),
    [
        (0, "0"),
        (0.004, "< 0.01"),
        (0.0123, "0.01"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
    ],
)
def test_millilitres(ml, text):
    assert wording.millilitres(ml) == text


def test_errors_become_sentences():
    assert wording.sentence("it broke: fix it") == "It broke: fix it."
    assert wording.sentence(ValueError("first\nsecond")) == "First."
    assert wording.sentence(ValueError("")) == "It failed."


def test_progress_says_the_time_left_once_it_is_known():
    assert wording.progress_line(Progress(0, 8, "loading")) == "Loading · 0 of 8"
    line = wording.progress_line(Progress(2, 8, "segmenting", 10.0, 30.0))
    assert line == "Segmenting · 2 of 8 · 30 s left"


def test_sizes_are_told_x_first():
    text = wording.grid_lines(VoxelGrid((3, 4, 5), (3.0, 0.5, 0.25)))
    by = wording.TIMES
    assert text == f"5 {by} 4 {by} 3 voxels · 0.25 {by} 0.5 {by} 3 mm"


def test_obliquity_and_notes_are_told():
    header = SourceHeader(notes=("the directions were repaired",))
    notes = wording.grid_notes(oblique_grid(angle_deg=12), header)
    assert notes[0] == "The directions were repaired."
    assert notes[1].startswith("Oblique by 12.0°")
    assert wording.grid_notes(VoxelGrid((2, 2, 2)), SourceHeader()) == []


def test_paths_below_home_are_short(monkeypatch, tmp_path):
    monkeypatch.setattr("pathlib.Path.home", lambda *_: tmp_path)
    assert wording.short_path(tmp_path / "a" / "b.nii") == "~/a/b.nii"
    outside = tmp_path.parent / "c.nii"
    assert wording.short_path(outside) == str(outside)
