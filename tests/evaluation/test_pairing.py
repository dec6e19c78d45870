"""Which files belong together."""

import pytest

from napari_mednext.errors import InputError
from napari_mednext.evaluation.pairing import find_pairs


@pytest.fixture
def tree(tmp_path):
    """Make empty files by their names."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def pairs(found, root):
    return [
        (
            p.case,
            str(p.prediction.relative_to(root)),
            str(p.reference.relative_to(root)),
        )
        for p in found.pairs
    ]


def test_two_files_are_a_pair_whatever_their_names(tree):
    root = tree("a.nii.gz", "truth.mha", "scan.nrrd")
    found = find_pairs(root / "a.nii.gz", root / "truth.mha", root / "scan.nrrd")
    assert pairs(found, root) == [("a", "a.nii.gz", "truth.mha")]
    assert found.pairs[0].image == root / "scan.nrrd"
    assert found.failures == ()


def test_folders_are_paired_by_name_and_the_rest_is_named(tree):
    root = tree("p/a.nii.gz", "p/b.mha", "p/only.nii", "r/a.nii.gz", "r/b.nii.gz")
    tree("r/alone.nii.gz", "p/dataset.json", "p/.hidden.nii.gz", "p/notes.txt")
    found = find_pairs(root / "p", root / "r")
    assert pairs(found, root) == [
        ("a", "p/a.nii.gz", "r/a.nii.gz"),
        ("b", "p/b.mha", "r/b.nii.gz"),
    ]
    assert [name for name, _ in found.failures] == ["only", "alone"]
    assert "must have a reference of the same name in" in found.failures[0][1]
    assert "must have a prediction of the same name in" in found.failures[1][1]


def test_numbers_at_the_end_of_names_are_no_channels(tree):
    root = tree("p/x_0000.nii.gz", "p/x_0001.nii.gz", "r/x_0000.nii.gz")
    tree("r/x_0001.nii.gz", "i/x_0001_0000.nii.gz", "i/x_0001_0001.nii.gz")
    found = find_pairs(root / "p", root / "r", root / "i")
    assert [pair.case for pair in found.pairs] == ["x_0000", "x_0001"]
    assert [pair.image for pair in found.pairs] == [
        None,
        root / "i" / "x_0001_0000.nii.gz",
    ]


def test_groups_are_folders_and_come_first_in_the_search(tree):
    root = tree("p/s1/a.nii", "p/s2/a.nii", "r/s1/a.nii", "r/s2/a.nii", "p/s2/b.nii")
    tree("r/b.nii", "i/s1/a_0000.nii", "i/s2/a_0000.nii", "i/b.nii")
    found = find_pairs(root / "p", root / "r", root / "i")
    assert pairs(found, root) == [
        ("s1/a", "p/s1/a.nii", "r/s1/a.nii"),
        ("s2/a", "p/s2/a.nii", "r/s2/a.nii"),
        ("b", "p/s2/b.nii", "r/b.nii"),
    ]
    assert [pair.group for pair in found.pairs] == ["s1", "s2", "s2"]
    assert [pair.image.parent.name for pair in found.pairs] == ["s1", "s2", "i"]


def test_two_candidates_on_either_side_are_a_failure(tree):
    root = tree("p/a.nii", "p/a.mha", "r/a.nii", "p/b.nii", "r/s1/b.nii", "r/s2/b.nii")
    found = find_pairs(root / "p", root / "r")
    assert found.pairs == ()
    sentences = dict(found.failures)
    assert sorted(name for name, _ in found.failures) == ["a", "a", "b"]
    assert "one prediction, got 'a.mha' and 'a.nii'" in sentences["a"]
    assert "must have one reference, got" in sentences["b"]


def test_probabilities_beside_a_mask_are_no_masks(tree):
    root = tree("p/a.nii.gz", "p/a_probabilities.nii.gz", "r/a.nii.gz")
    found = find_pairs(root / "p", root / "r")
    assert (len(found.pairs), found.failures) == (1, ())


def test_file_is_looked_for_in_a_folder_without_complaint_about_others(tree):
    root = tree("a.nii.gz", "r/a.nii.gz", "r/b.nii.gz")
    found = find_pairs(root / "a.nii.gz", root / "r")
    assert (len(found.pairs), found.failures) == (1, ())


def test_missing_and_empty_paths_are_refused(tree):
    root = tree("a.nii.gz", "r/notes.txt")
    with pytest.raises(InputError, match="no' must be a file or folder"):
        find_pairs(root / "no", root / "a.nii.gz")
    with pytest.raises(InputError, match="r' must hold images as NIfTI"):
        find_pairs(root / "a.nii.gz", root / "r")
    with pytest.raises(InputError, match="no' must be a file or folder"):
        find_pairs(root / "a.nii.gz", root / "a.nii.gz", root / "no")
