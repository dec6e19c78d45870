from napari_mednext.extensions import Extensions
from napari_mednext.models import label_presets


def test_presets_become_label_sets_and_broken_ones_are_left_out():
    found = label_presets(
        Extensions(
            label_presets={
                "liver": {1: "liver", 2: "vessel"},
                "bad": {70000: "x"},
                "brain": {5: "white"},
            }
        )
    )
    assert list(found) == ["brain", "liver"]
    assert found["liver"].names == {1: "liver", 2: "vessel"}


def test_none_are_there_without_extensions():
    assert label_presets(Extensions()) == {}
    assert isinstance(label_presets(), dict)
