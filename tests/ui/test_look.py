import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_mednext.errors import SettingsError
from napari_mednext.ui.bridge import display_range
from napari_mednext.ui.keys import KEYS
from napari_mednext.ui.look import Look

SPACING = np.array((3.0, 0.9, 1.1))
SHAPE = (11, 31, 25)


@pytest.fixture
def viewer():
    model = ViewerModel()
    rng = np.random.default_rng(5)
    ct = rng.integers(-1000, 1500, SHAPE).astype(np.int16)
    model.add_image(ct, name="ct", scale=SPACING, contrast_limits=display_range(ct))
    for name in ("organs", "vessels"):
        model.add_labels(np.zeros(SHAPE, np.uint8), name=name, scale=SPACING)
    return model


@pytest.fixture(params=[False, True], ids=["viewer", "proxy"])
def look(viewer, request):
    """A look at the viewer itself, or at the proxy that napari hands to docks."""
    look = Look(PublicOnlyProxy(viewer) if request.param else viewer)
    yield look
    look.stop()


def test_each_action_is_a_key(look):
    assert set(look.actions()) <= set(KEYS)
    for action in look.actions().values():
        action()
        action()


def test_planes_turn_about_one_point(viewer, look):
    assert look.plane == "axial"
    point = SPACING * (3, 20, 7)
    viewer.dims.set_point(0, point[0])
    viewer.scene.camera.center = (0.0, point[1], point[2])
    viewer.scene.camera.zoom = 4.0
    look.next_plane()
    assert look.plane == "coronal"
    assert [str(side) for side in viewer.scene.camera.orientation2d] == ["up", "right"]
    np.testing.assert_allclose(viewer.dims.point, point)
    look.set_plane("sagittal")
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], point[:2])
    assert viewer.scene.camera.zoom == 4.0
    with pytest.raises(SettingsError, match="not 'tilted'"):
        look.set_plane("tilted")


def test_windows_follow_each_other(viewer, look):
    names = ["automatic", "soft tissue", "liver", "lung", "bone", "brain"]
    assert look.windows == names
    seen = []
    for _ in range(7):
        seen.append(look.window)
        look.next_window()
    assert seen == [*names, "automatic"]
    viewer.layers["ct"].contrast_limits = (3, 4)
    assert look.window is None
    look.next_window()
    assert look.window == "automatic"
    look.window_preset("lung")
    assert tuple(viewer.layers["ct"].contrast_limits) == (-1350, 150)
    with pytest.raises(SettingsError, match="not 'spleen'"):
        look.window_preset("spleen")
    viewer.layers["ct"].visible = False
    assert look.windows == []
    assert look.window is None
    look.next_window()


def test_labels_are_outlined_and_filled(viewer, look):
    organs, vessels = viewer.layers["organs"], viewer.layers["vessels"]
    organs.contour = 3
    assert look.is_outline
    look.toggle_outline()
    assert (organs.contour, vessels.contour) == (0, 0)
    look.toggle_outline()
    assert (organs.contour, vessels.contour) == (1, 1)


def test_opacity_goes_up_in_steps_and_round(viewer, look):
    viewer.layers["vessels"].opacity = 0.7
    seen = []
    for _ in range(7):
        look.step_opacity()
        assert viewer.layers["organs"].opacity == viewer.layers["vessels"].opacity
        seen.append(look.opacity)
    np.testing.assert_allclose(seen, [0.8, 1, 0, 0.2, 0.4, 0.6, 0.8], atol=1e-6)
    look.set_opacity(1.7)
    assert look.opacity == 1
    look.set_opacity(-1)
    assert look.opacity == 0
    viewer.layers.clear()
    assert look.opacity is None
    look.step_opacity()


def test_3d_and_back(viewer, look):
    look.set_plane("coronal")
    point = SPACING * (8, 5, 13)
    viewer.dims.set_point(1, point[1])
    viewer.scene.camera.center = (0.0, point[0], point[2])
    viewer.scene.camera.zoom = 6.0
    doubt = viewer.add_image(np.zeros(SHAPE), colormap="inferno", scale=SPACING)
    viewer.layers["vessels"].contour = 2
    look.toggle_3d()
    assert look.is_3d
    assert look.plane is None
    look.toggle_outline()
    assert not look.is_outline  # napari has no outlines in 3D, and warns
    assert [layer.visible for layer in viewer.layers] == [False, True, True, True]

    # Seen from the front, the head is up and the patient's left is to the right.
    camera = viewer.scene.camera
    ahead, up = (
        np.array(v)[::-1] for v in (camera.view_direction, camera.up_direction)
    )
    np.testing.assert_allclose(ahead, (0, 1, 0), atol=1e-6)
    np.testing.assert_allclose(up, (0, 0, 1), atol=1e-6)
    assert [str(side) for side in camera.orientation] == ["away", "down", "right"]

    look.toggle_3d()
    assert look.plane == "coronal"
    assert [viewer.layers[name].contour for name in ("organs", "vessels")] == [0, 2]
    assert all(layer.visible for layer in viewer.layers)
    np.testing.assert_allclose(viewer.dims.point, point)
    np.testing.assert_allclose(camera.center[-2:], point[[0, 2]])
    assert camera.zoom == 6.0

    look.toggle_3d()
    viewer.layers.remove("ct")
    look.set_plane("sagittal")
    assert look.plane == "sagittal"
    np.testing.assert_allclose(viewer.dims.point, point)
    assert doubt.visible


def test_3d_shows_the_scan_where_nothing_is_labelled(viewer, look):
    viewer.layers["organs"].visible = viewer.layers["vessels"].visible = False
    look.toggle_3d()
    assert viewer.layers["ct"].visible
    look.next_plane()
    assert look.plane == "axial"
    viewer.dims.ndisplay = 3  # by napari's own button
    look.toggle_3d()
    assert look.plane == "axial"
    viewer.layers.clear()
    viewer.add_image(np.zeros((5, 7)))
    look.toggle_3d()
    assert not look.is_3d


def test_layers_are_hidden_by_name(viewer, look):
    one = viewer.add_image(np.zeros(SHAPE), name="case doubt")
    two = viewer.add_image(np.zeros(SHAPE), name="doubt", visible=False)
    viewer.add_image(np.zeros(SHAPE), name="redoubt")
    assert look.toggle_layer("doubt") is False
    assert (one.visible, two.visible) == (False, False)
    assert look.toggle_layer("doubt") is True
    assert (one.visible, two.visible) == (True, True)
    assert viewer.layers["redoubt"].visible
    assert look.toggle_layer("nothing") is None


def test_everything_that_changes_is_told(viewer, look):
    told = []
    look.changed.connect(lambda: told.append(1))

    def tells(change, *args):
        told.clear()
        change(*args)
        return bool(told)

    labels = viewer.layers["organs"]
    assert tells(setattr, viewer.dims, "order", (1, 0, 2))
    assert tells(setattr, viewer.layers["ct"], "contrast_limits", (0, 1))
    assert tells(setattr, labels, "contour", 2)
    labels.contour = 0
    assert tells(setattr, viewer.dims, "ndisplay", 3)
    assert tells(setattr, labels, "opacity", 0.1)
    assert tells(setattr, labels, "visible", False)
    assert tells(viewer.layers.remove, labels)
    assert not tells(setattr, labels, "visible", True)
    assert tells(viewer.add_labels, np.zeros(SHAPE, np.uint8))
    look.stop()
    assert not tells(setattr, viewer.layers["ct"], "contrast_limits", (0, 2))
    assert not tells(viewer.layers.clear)


def test_the_end_gives_the_depth_back(viewer):
    before = viewer.scene.camera.orientation
    look = Look(viewer)
    assert str(viewer.scene.camera.orientation[0]) == "away"
    look.stop()
    assert viewer.scene.camera.orientation == before
