import numpy as np
import pytest
from napari.components import ViewerModel

from napari_mednext.errors import SettingsError
from napari_mednext.ui.bridge import display_range, image_layers
from napari_mednext.ui.windows import WINDOWS, Windows, scan_layers
from napari_mednext.volume import SourceHeader, Volume, VoxelGrid

SHAPE = (5, 9, 7)


def ct(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-1000, 1500, SHAPE).astype(np.int16)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("soft tissue", (-160, 240)),
        ("lung", (-1350, 150)),
        ("bone", (-500, 1300)),
        ("brain", (0, 80)),
        ("liver", (-20, 140)),
    ],
)
def test_windows_are_the_ones_that_people_know(viewer, name, limits):
    layer = viewer.add_image(ct())
    windows = Windows()
    windows.apply([layer], name)
    assert tuple(layer.contrast_limits) == limits
    assert windows.current(layer) == name
    assert len(WINDOWS) == 5


def test_the_automatic_window_is_that_of_opening(viewer):
    voxels = ct()
    layer = viewer.add_image(voxels, contrast_limits=(-1, 1))
    windows = Windows()
    assert windows.current(layer) is None
    windows.apply([layer], "automatic")
    np.testing.assert_allclose(layer.contrast_limits, display_range(voxels))
    assert windows.current(layer) == "automatic"
    layer.data = voxels // 3
    assert windows.current(layer) is None
    windows.apply([layer], "automatic")
    np.testing.assert_allclose(layer.contrast_limits, display_range(voxels // 3))


def test_scans_without_hounsfield_units_keep_their_greys(viewer):
    mr = viewer.add_image(np.abs(ct(1)).astype(np.uint16), name="mr")
    normalised = viewer.add_image(ct(2) / 500, name="z scores")
    windows = Windows()
    assert windows.names([mr, normalised]) == ["automatic"]
    before = tuple(mr.contrast_limits)
    scan = viewer.add_image(ct(), name="ct")
    assert windows.names([mr, scan]) == ["automatic", *WINDOWS]
    windows.apply([mr, scan], "brain")
    assert tuple(mr.contrast_limits) == before
    assert tuple(scan.contrast_limits) == (0, 80)


@pytest.mark.parametrize(("modality", "is_ct"), [("CT", True), ("MR", False)])
def test_what_the_file_says_counts(viewer, modality, is_ct):
    voxels = np.abs(ct())[None] if is_ct else ct()[None]
    grid = VoxelGrid(SHAPE, (3.0, 0.9, 1.1))
    source = SourceHeader(modality=modality)
    [(array, options, _)] = image_layers(Volume(voxels, grid, "case", source))
    layer = viewer.add_image(array, **options)
    assert ("lung" in Windows().names([layer])) is is_ct


def test_pyramids_count_by_their_finest_level(viewer):
    fine = ct()
    layer = viewer.add_image(
        [fine, fine[::2, ::2, ::2]], multiscale=True, contrast_limits=(0, 1)
    )
    windows = Windows()
    assert windows.names([layer]) == ["automatic", *WINDOWS]
    windows.apply([layer], "automatic")
    np.testing.assert_allclose(layer.contrast_limits, display_range(fine))


def test_scans_are_the_grey_images_that_are_visible(viewer):
    first = viewer.add_image(ct())
    second = viewer.add_image(ct(1))
    doubt = viewer.add_image(np.zeros(SHAPE, np.float32), colormap="inferno")
    viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), rgb=True)
    viewer.add_labels(np.zeros(SHAPE, np.uint8))
    assert scan_layers(viewer) == [first, second]
    first.visible = False
    assert scan_layers(viewer) == [second]
    second.colormap = "bone"
    assert scan_layers(viewer) == [second, doubt]


def test_an_unknown_window_is_refused(viewer):
    message = "automatic, soft tissue, liver, lung, bone, brain, not 'heart': choose"
    with pytest.raises(SettingsError, match=message):
        Windows().apply([], "heart")
