import pytest

from napari_mednext.labels.side_words import tell_sides


@pytest.mark.parametrize(
    "names",
    [
        ["kidney_left", "kidney_right"],
        ["LeftKidney"],
        ["Right lung", "heart"],
        ["Niere links"],
        ["rein gauche", "rein droit"],
        ["kidney L", "kidney R"],
        ["lh-hippocampus", "rh-hippocampus"],
        ["hippocampusL", "hippocampusR"],
        ["L_Thalamus", "R_Thalamus", "brainstem"],
    ],
)
def test_sides_are_told(names):
    assert tell_sides(names)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["tumour", "cleft", "bright spot", "outright"],
        ["vertebra L", "vertebra T"],
        ["L1", "R2"],
        ["vitamin r", "vitamin c"],
        ["fat", "muscle", "putamen"],
    ],
)
def test_other_names_tell_none(names):
    assert not tell_sides(names)
