import numpy as np
import pytest

from napari_mednext.settings import InferenceSettings
from tests.inference.standins import Context, Headless, make_model, make_volume

TURNED = [[0, -1, 0], [0, 0, 1], [1, 0, 0]]
SETTINGS = InferenceSettings(device="cpu")


def previews_of(model, volume, **options):
    seen = []
    result = model.segment(volume, settings=SETTINGS, on_preview=seen.append, **options)
    return seen, result


@pytest.mark.parametrize("focus", [None, (2, 5, 9)])
@pytest.mark.parametrize("code", [None, TURNED])
def test_previews_add_up_to_the_segmentation_on_the_network_grid(code, focus):
    """With the network's own spacing the last previews are the final labels."""
    volume = make_volume(shape=(13, 17, 23), spacing=(2.0, 1.5, 1.25), code=code)
    spacing = (2.0, 1.5, 1.25)
    model = make_model(
        Context(1, 6, 3),
        heads=6,
        transpose_forward=(2, 0, 1),
        spacing=tuple(spacing[a] for a in (2, 0, 1)),
    )
    if code is not None:
        model.folder.plan.__dict__["image_reader_writer"] = "SimpleITKIO"
    seen, result = previews_of(model, volume, focus=focus)
    canvas = np.full(volume.grid.shape, 99, np.uint8)
    for preview in seen:
        assert preview.labels.dtype == np.uint8
        assert preview.labels.shape == tuple(s.stop - s.start for s in preview.slices)
        assert preview.labels.flags.c_contiguous
        canvas[preview.slices] = preview.labels
    assert np.array_equal(canvas, result.array)


@pytest.mark.parametrize("focus", [None, (2, 5, 9)])
def test_previews_of_a_resampled_turned_cropped_volume_are_near_the_result(focus):
    volume = make_volume(shape=(25, 31, 29), code=TURNED, border=4)
    model = make_model(
        Headless(Context(1, 6, 3, gain=1.5)),
        heads=6,
        image_reader_writer="NibabelIOWithReorient",
        transpose_forward=(1, 0, 2),
    )
    seen, result = previews_of(model, volume, focus=focus)
    canvas = np.zeros(volume.grid.shape, np.uint8)
    for preview in seen:
        canvas[preview.slices] = preview.labels
    assert (canvas == result.array).mean() > 0.85
    assert not canvas[:4].any()


def test_there_is_one_preview_a_tile_and_the_focus_comes_first():
    volume = make_volume(shape=(25, 31, 29))
    model = make_model(Context(1, 6, 3), heads=6)
    progress = []
    seen, _ = previews_of(model, volume, focus=(20, 25, 4), on_progress=progress.append)
    assert len(seen) == progress[0].total
    first = seen[0].slices
    assert all(s.start <= at < s.stop for s, at in zip(first, (20, 25, 4), strict=True))


def test_previews_stay_inside_the_region_of_interest():
    volume = make_volume(shape=(15, 21, 29))
    model = make_model(Context(1, 6, 3), heads=6)
    roi = (slice(3, 9), slice(4, 10), slice(5, 8))
    seen, _ = previews_of(model, volume, roi=roi)
    assert seen
    for preview in seen:
        for part, wanted in zip(preview.slices, roi, strict=True):
            assert wanted.start <= part.start < part.stop <= wanted.stop
