"""What is written is read back, and what a format cannot hold is known."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from napari_mednext.errors import FormatError, StorageError
from napari_mednext.formats.tables import TABLE_KINDS, read_table, write_table
from napari_mednext.labels import Label, LabelSet, default_color
from tests.formats.makers import make_array, make_grid, write_nifti, xyz_ras

ODD = [
    "left kidney",
    "  leading",
    "trailing ",
    'the "big" one',
    "comma, semicolon; tab\there",
    "under_score",
    "größer: 肝臓 🫀",
    "# hash",
    "'quoted'",
    '"',
    "]]> & <b>",
    "5",
    "a 1 2 3 4",
    "",
    "_",
    "two\nlines\r\nand \u2028 more",
    "\ufffe",
]

names = st.one_of(st.sampled_from(ODD), st.text(max_size=12))
colors = st.tuples(*[st.integers(0, 255)] * 3)


@st.composite
def label_sets(draw):
    values = draw(st.lists(st.integers(1, 65535), unique=True, max_size=6))
    return LabelSet(
        tuple(
            Label(value, name, draw(colors))
            for value, name in zip(
                values,
                draw(st.lists(names, min_size=len(values), max_size=len(values))),
                strict=True,
            )
        )
    )


def place(folder, kind):
    """A path that a kind can be written to; NIfTI masks have to be there."""
    ending = TABLE_KINDS[kind]
    path = folder / (ending if ending == "dataset.json" else "table" + ending)
    if kind == "NIfTI" and not path.exists():
        grid = make_grid()
        write_nifti(path, make_array().astype("u2"), xyz_ras(grid))
    return path


def written(labels, folder, kind):
    path = place(folder, kind)
    notes = write_table(labels, path, kind)
    return read_table(path), notes


@pytest.mark.parametrize("kind", ["ITK-SNAP", "3D Slicer", "3D Slicer CSV", "NIfTI"])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(labels=label_sets())
@example(
    labels=LabelSet(
        tuple(Label(2 * i + 1, name, (i, 0, 255)) for i, name in enumerate(ODD))
    )
)
def test_values_and_colours_are_kept_and_names_are_settled(tmp_path, kind, labels):
    table, notes = written(labels, tmp_path, kind)
    assert table.kind == kind
    assert table.labels.colors == labels.colors
    # A note says that names changed, exactly if they did.
    assert bool(notes) == (table.labels.names != labels.names)
    again, no_notes = written(table.labels, tmp_path, kind)
    assert again.labels == table.labels
    assert no_notes == ()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(labels=label_sets())
def test_json_holds_every_name(tmp_path, labels):
    apart = LabelSet(tuple({x.name: x for x in labels}.values()))
    table, notes = written(apart, tmp_path, "MITK")
    assert list(table.labels.names.values()) == list(apart.names.values())
    assert list(table.labels.colors.values()) == list(apart.colors.values())
    numbered = list(apart.names) == list(range(1, len(apart) + 1))
    assert bool(notes) != numbered
    (tmp_path / "dataset.json").unlink(missing_ok=True)
    table, notes = written(apart, tmp_path, "nnU-Net")
    assert table.labels.names == apart.names
    assert table.labels.colors == {v: default_color(v) for v in apart.names}
    assert notes[0] == "a dataset.json holds no colours"


@pytest.mark.parametrize(
    ("kind", "name", "kept"),
    [
        ("ITK-SNAP", "größer: 肝臓, 'left'; #1_a ", None),
        ("ITK-SNAP", 'the "big" one', "the 'big' one"),
        ("ITK-SNAP", "", "label 7"),
        ("ITK-SNAP", "two\nlines", "two lines"),
        ("3D Slicer", '  größer, the "big" one #1', None),
        ("3D Slicer", "a 1 2 3 4", None),
        ("3D Slicer", "", None),
        ("3D Slicer", "kidney_left", "kidney left"),
        ("3D Slicer", "'quoted'", "quoted"),
        ("3D Slicer", " ", ""),
        ("3D Slicer", "a\tb", "a b"),
        ("3D Slicer CSV", "  größer, 'left'; #1_a ", None),
        ("3D Slicer CSV", "", None),
        ("3D Slicer CSV", 'the "big" one', "the 'big' one"),
        ("3D Slicer CSV", "two\r\nlines", "two  lines"),
        ("NIfTI", "  größer, <b> & \"c\" ]]> 'd' ", None),
        ("NIfTI", "", None),
        ("NIfTI", "two\nlines", "two lines"),
        ("NIfTI", "\ufffe", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_a_name_becomes(tmp_path, kind, name, kept):
    labels = LabelSet((Label(7, name, (1, 2, 3)),))
    table, notes = written(labels, tmp_path, kind)
    assert table.labels.names == {7: name if kept is None else kept}
    if kept is None:
        assert notes == ()
    else:
        assert f"so 1 changed: {name!r} became {kept!r}" in notes[0]


LABELS = LabelSet.from_names({1: "liver", 3: "spleen"}, {1: (1, 2, 3)})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "ITK-SNAP"),
        ("a.label", "ITK-SNAP"),
        ("A.CTBL", "3D Slicer"),
        ("a.csv", "3D Slicer CSV"),
        ("dataset.json", "nnU-Net"),
        ("a.json", "MITK"),
    ],
)
def test_the_ending_tells_the_kind(tmp_path, name, kind):
    write_table(LABELS, tmp_path / name)
    assert read_table(tmp_path / name).kind == kind


def test_a_kind_can_be_chosen_whatever_the_ending(tmp_path):
    write_table(LABELS, tmp_path / "a.txt", "3D Slicer")
    assert read_table(tmp_path / "a.txt").kind == "3D Slicer"


def test_itksnap_finds_its_mark_in_the_second_line(tmp_path):
    write_table(LABELS, tmp_path / "a.txt")
    lines = (tmp_path / "a.txt").read_text().splitlines()
    assert lines[1] == "# ITK-SnAP Label Description File"
    assert lines[-3].split() == ["0"] * 7 + ['"Clear', 'Label"']
    assert lines[-2].split() == ["1", "1", "2", "3", "1", "1", "1", '"liver"']


def test_slicer_finds_its_mark_and_the_background(tmp_path):
    write_table(LABELS, tmp_path / "a.ctbl")
    assert (tmp_path / "a.ctbl").read_text().splitlines() == [
        "# Color table file",
        "# 3 values",
        "0 Background 0 0 0 0",
        "1 liver 1 2 3 255",
        "3 spleen 0 158 115 255",
    ]
    write_table(LABELS, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "LabelValue,Name,Color_R,Color_G,Color_B,Color_A",
        "1,liver,1,2,3,255",
        "3,spleen,0,158,115,255",
    ]


def test_mitk_gets_names_and_hexadecimal_colours(tmp_path):
    notes = write_table(LABELS, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == [
        {"name": "liver", "color": "#010203"},
        {"name": "spleen", "color": "#009e73"},
    ]
    assert notes == ("label suggestions hold no values: they will count from 1",)


def test_a_dataset_keeps_all_but_its_labels(tmp_path):
    path = tmp_path / "dataset.json"
    before = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "old": 1, "ignore": 9},
        "numTraining": 4,
    }
    path.write_text(json.dumps(before))
    notes = write_table(LABELS, path)
    assert json.loads(path.read_text()) == before | {
        "labels": {"background": 0, "liver": 1, "spleen": 3, "ignore": 9}
    }
    assert any("without gaps" in note for note in notes)
    assert read_table(path).ignore == 9


def test_values_without_gaps_need_no_note(tmp_path):
    labels = LabelSet.from_names({1: "a", 2: "b"})
    notes = write_table(labels, tmp_path / "dataset.json")
    assert notes == ("a dataset.json holds no colours",)


def labels_of(*names):
    return LabelSet.from_names(dict(enumerate(names, 1)))


@pytest.mark.parametrize(
    ("labels", "name", "kind", "message"),
    [
        (labels_of("a", "a"), "dataset.json", None, r"of its own .* got 'a' for 2"),
        (labels_of("ignore"), "dataset.json", None, r"neither .* got 'ignore' for 1"),
        (labels_of("background"), "dataset.json", None, r"got 'background' for 1"),
        (labels_of("a", "a"), "x.json", None, r"several labels are called 'a': give"),
        (labels_of("a"), "x.pdf", None, r"one of ITK-SNAP, .*, got 'x.pdf': choose"),
        (labels_of("a"), "x.txt", "Excel", r"one of ITK-SNAP, .*, got 'Excel': choose"),
        (labels_of("a"), "x.nii", None, r"a single NIfTI file, but 'x.nii' is none"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, labels, name, kind, message):
    with pytest.raises(FormatError, match=message):
        write_table(labels, tmp_path / name, kind)
    assert list(tmp_path.iterdir()) == []


def test_an_ignore_label_stays_the_highest(tmp_path):
    path = tmp_path / "dataset.json"
    text = json.dumps({"labels": {"background": 0, "old": 1, "ignore": 2}})
    path.write_text(text)
    with pytest.raises(FormatError, match=r"the highest value, got 2 below 3: choose"):
        write_table(LABELS, path)
    assert path.read_text() == text


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StorageError, match=r"the output folder .* must exist"):
        write_table(LABELS, tmp_path / "no" / "a.txt")
