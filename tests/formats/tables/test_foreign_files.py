"""Files in the notation that each program documents, typed by hand."""

import json

import pytest

from napari_mednext.errors import FormatError
from napari_mednext.formats.tables import read_table
from napari_mednext.formats.tables.text import read_bytes
from napari_mednext.labels import default_color


def put(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


ITKSNAP = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "Left kidney, upper pole"
   12     0  255   10      0.5  1  0    "Zyste (größer)"
65535     1    2    3     0.25  0  0    "  last"
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["labels.txt", "a.label", "misnamed.csv"])
def test_a_label_description_of_itksnap(tmp_path, name, ending):
    table = read_table(put(tmp_path, name, ITKSNAP.replace("\n", ending)))
    assert table.kind == "ITK-SNAP"
    assert table.labels.names == {
        1: "Left kidney, upper pole",
        12: "Zyste (größer)",
        65535: "  last",
    }
    assert table.labels.colors == {1: (255, 0, 0), 12: (0, 255, 10), 65535: (1, 2, 3)}
    assert table.notes == ()


def test_a_label_description_without_its_head(tmp_path):
    rows = "\n".join(ITKSNAP.splitlines()[-3:])
    table = read_table(put(tmp_path, "a.txt", rows))
    assert table.kind == "ITK-SNAP"
    assert list(table.labels.names) == [1, 12, 65535]


def test_a_label_description_in_latin_1(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(ITKSNAP.encode("latin-1"))
    table = read_table(path)
    assert table.labels.names[12] == "Zyste (größer)"
    assert table.notes == ("'a.txt' is not UTF-8: its names were read as Latin-1",)


CTBL = """\
# Color table file C:/data/table.ctbl
# 6 values
0 Background 0 0 0 0
1 artery 216 101 79 255
2 connective_tissue 111 184 210 255
3 'from an old scene' 1 2 3 255
4 "left kidney" 241.2 214 145 127.5
5 _ 9 9 9 255

6 no_opacity 7 8 9
"""


@pytest.mark.parametrize("name", ["table.ctbl", "table.txt"])
def test_a_colour_table_of_slicer(tmp_path, name):
    table = read_table(put(tmp_path, name, CTBL))
    assert table.kind == "3D Slicer"
    assert table.labels.names == {
        1: "artery",
        2: "connective tissue",
        3: "from an old scene",
        4: "left kidney",
        5: "",
        6: "no opacity",
    }
    assert table.labels.colors[2] == (111, 184, 210)
    assert table.labels.colors[4] == (241, 214, 145)
    assert table.labels.colors[6] == (7, 8, 9)


def test_a_colour_table_of_slicer_without_its_head(tmp_path):
    table = read_table(put(tmp_path, "a.ctbl", "3 bone 241 214 145 255\n"))
    assert table.kind == "3D Slicer"
    assert table.labels.names == {3: "bone"}


SLICER_CSV = """\
LabelValue,Name,Color_R,Color_G,Color_B,Color_A,Category_CodingScheme,\
Category_CodeValue,Category_CodeMeaning,Type_CodingScheme,Type_CodeValue,\
Type_CodeMeaning,TypeModifier_CodingScheme,TypeModifier_CodeValue,\
TypeModifier_CodeMeaning
0,nothing,0,0,0,0,,,,,,,,,
10,catheter,127,127,127,255,SCT,260787004,Physical object,SCT,19923001,Catheter,,,
1,"kidney, left",185,102,83,255,SCT,123037004,Anatomical Structure,SCT,64033007,\
Kidney,SCT,7771000,Left
5,,185,102,83,255,SCT,123037004,Anatomical Structure,SCT,64033007,Kidney,SCT,\
24028007,Right
"""


def test_a_csv_table_of_slicer_with_terminology(tmp_path):
    table = read_table(put(tmp_path, "a.csv", SLICER_CSV))
    assert table.kind == "3D Slicer CSV"
    assert table.labels.names == {1: "kidney, left", 5: "Kidney, Right", 10: "catheter"}
    assert table.labels.colors[10] == (127, 127, 127)
    assert table.notes == ("the terminology codes of 'a.csv' were left out",)


def test_a_csv_table_of_slicer_with_every_cell_in_quotes(tmp_path):
    # As Slicer's own writer does.
    text = (
        '"Name","LabelValue","Color_R","Color_G","Color_B"\n"a b","7","1","2","3"\n\n'
    )
    table = read_table(put(tmp_path, "a.csv", text))
    assert table.labels.names == {7: "a b"}
    assert table.labels.colors == {7: (1, 2, 3)}


def test_a_csv_table_of_slicer_without_colours(tmp_path):
    table = read_table(put(tmp_path, "a.csv", "LabelValue,Name\n2,a\n"))
    assert table.labels.colors == {2: default_color(2)}
    assert table.notes == ()


def test_labels_of_nnunet(tmp_path):
    labels = {"background": 0, "PZ": 1, "TZ": 2, "ignore": 3}
    path = put(tmp_path, "dataset.json", json.dumps({"labels": labels}))
    for given in (path, tmp_path):
        table = read_table(given)
        assert table.kind == "nnU-Net"
        assert table.labels.names == {1: "PZ", 2: "TZ"}
        assert table.labels.colors == {1: default_color(1), 2: default_color(2)}
        assert table.ignore == 3
        assert table.notes == ("the value 3 of 'dataset.json' marks ignored voxels",)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"0": "background", "1": "liver", "2": "tumour"}, {1: "liver", 2: "tumour"}),
        ({"background": "0", "liver": "1", "big": 2.0}, {1: "liver", 2: "big"}),
        ({"background": 0, "left": 1, "right": 1}, {1: "left / right"}),
        ({"clear": 0}, {}),
    ],
)
def test_older_and_looser_notations_of_nnunet(tmp_path, labels, names):
    path = put(tmp_path, "x.json", json.dumps({"labels": labels, "modality": {}}))
    table = read_table(path)
    assert table.labels.names == names
    assert table.ignore is None


MITK = """\
[
  {"name": "Abdomen", "color": "red"},
  {"name": "Lung", "color": "#00ff00", "more": 1},
  {"name": "Heart"},
  {"name": "Aortic Valve", "color": "CornflowerBlue"},
  {"name": "Short", "color": "#1af"},
  {"name": "Opaque", "color": "#80010203"},
  {"color": "blue"},
  {"name": "Heart", "color": "#000102"},
  {"name": "Odd", "color": "no colour"}
]
"""


def test_label_suggestions_of_mitk(tmp_path):
    table = read_table(put(tmp_path, "a.json", MITK))
    assert table.kind == "MITK"
    assert list(table.labels.names.values()) == [
        "Abdomen",
        "Lung",
        "Heart",
        "Aortic Valve",
        "Short",
        "Opaque",
        "Odd",
    ]
    assert table.labels.colors == {
        1: (255, 0, 0),
        2: (0, 255, 0),
        3: (0, 1, 2),
        4: (100, 149, 237),
        5: (17, 170, 255),
        6: (1, 2, 3),
        7: default_color(7),
    }
    assert table.notes == (
        "entry 7 of 'a.json' has no name: it is left out",
        "'Heart' stands twice in 'a.json': the first counts",
        "the colour 'no colour' of 'Odd' is unknown: it got another",
        "label suggestions have no values: labels were numbered from 1",
    )


CARET = """\
<?xml version="1.0" encoding="UTF-8"?>
<CaretExtension><VolumeInformation Index="0"><LabelTable>
<Label Key="0" Red="1" Green="1" Blue="1" Alpha="0"><![CDATA[???]]></Label>
<Label Key="3" Red="1.0" Green="0.5" Blue="0" Alpha="1"><![CDATA[a < b & c]]></Label>
<Label Key="7" Red="0.2" Green="0.4" Blue="0.6">
  spaced &amp; out
</Label>
<Label Key="9">grey</Label>
</LabelTable></VolumeInformation></CaretExtension>
"""


def test_a_caret_table_in_a_file_of_its_own(tmp_path):
    table = read_table(put(tmp_path, "table.xml", CARET))
    assert table.kind == "NIfTI"
    assert table.labels.names == {3: "a < b & c", 7: "spaced & out", 9: "grey"}
    assert table.labels.colors == {
        3: (255, 128, 0),
        7: (51, 102, 153),
        9: default_color(9),
    }


def test_of_two_caret_tables_the_first_counts(tmp_path):
    start, end = CARET.index("<LabelTable>"), CARET.index("</VolumeInformation>")
    second = '<LabelTable><Label Key="5">other</Label></LabelTable>'
    text = CARET[:end] + second + CARET[end:]
    assert start < end
    table = read_table(put(tmp_path, "table.xml", text))
    assert list(table.labels.names) == [3, 7, 9]
    assert table.notes == ("'table.xml' holds 2 label tables: the first was read",)


LAUGHS = """\
<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<CaretExtension><LabelTable><Label Key="1">&b;</Label></LabelTable></CaretExtension>
"""
HEAD = "<CaretExtension><LabelTable>"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", ITKSNAP + "  3 1 1\n", r"VIS MSH \"LABEL\", got '3 1 1' in line 10"),
        ("a.txt", ITKSNAP + '1 9 9 9 1 1 1 "x"\n', r"1 in line 10 .* in line 7 too"),
        ("a.txt", ITKSNAP.replace("255    0    0", "256 0 0"), r"0\.\.255, got '256 0"),
        ("a.txt", ITKSNAP.replace("255    0    0", "x 0 0"), r"'x 0 0' in line 7"),
        ("a.txt", ITKSNAP.replace("65535", "65536"), r"0\.\.65535, got 65536 in line"),
        ("a.txt", ITKSNAP.replace("  12", "  -2"), r"0\.\.65535, got -2 in line 8"),
        ("a.txt", ITKSNAP + "9" * 20000, r"at most 10000 characters, got 20000 in lin"),
        ("a.ctbl", CTBL + "8 x 1 2\n", r"a name and R G B A, got '8 x 1 2' in line 11"),
        ("a.ctbl", CTBL + "8 x 1 2 300 255\n", r"'1 2 300' in line 11 of 'a.ctbl'"),
        ("a.txt", "# Color procedural file x\n0 0 0 0\n", r"a continuous colour scale"),
        ("a.csv", SLICER_CSV + "x,a,1,2,3,4\n", r"its LabelValue, got 'x' in line 6"),
        ("a.csv", SLICER_CSV + "8,a,1,2,,4\n9,a,1,2,y,4\n", r"'1 2 y' in line 7"),
        (
            "a.csv",
            SLICER_CSV + '9,"a,1,2,3,4\n',
            r"line 6 of 'a.csv' must be comma-sep",
        ),
        ("a.json", '{"labels": {"a": 1},\n,}', r"must be JSON, but line 2 is not \("),
        ("a.json", '{"labels": [1]}', r"object with \"labels\" that name values"),
        (
            "a.json",
            '{"labels": {"whole": [1, 2]}}',
            r"'whole' .* region of the .* \[1,",
        ),
        ("a.json", '{"labels": {"a": true}}', r"a whole number .* got True for 'a'"),
        ("a.json", '{"labels": {"a": 70000}}', r"got 70000 in \"labels/a\""),
        ("a.json", "[" * 100000, r"must be JSON of a usual depth"),
        ("a.json", "[1,]", r"must be JSON, but line 1 is not"),
        ("a.xml", LAUGHS, r"must not define a document type, but line 2 does"),
        ("a.xml", HEAD, r"must be XML, but line 1 is not \(no element found"),
        ("a.xml", HEAD + '<Label Key="x"/>', r"number as its Key, got 'x' in line 1"),
        (
            "a.xml",
            HEAD + '<Label Key="1" Red="2" Green="0" Blue="0"/>',
            r"0\.\.1, got '2 0 0' in line 1 of 'a.xml'",
        ),
        ("a.txt", "hello\n", r"a label table of ITK-SNAP, 3D Slicer, .* none of them"),
        ("a.txt", "", r"looks like none of them"),
        ("a.txt", "a\0b", r"must be a text, but it holds other bytes"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(
    tmp_path, name, text, message
):
    with pytest.raises(FormatError, match=message):
        read_table(put(tmp_path, name, text))


def test_a_table_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.txt"
    with path.open("wb") as stream:
        stream.truncate(32 * 2**20 + 1)
    with pytest.raises(FormatError, match=r"at most 33554432 bytes, got 33554433"):
        read_table(path)


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"must be a file or folder at .*, but there"):
        read_table(tmp_path / "a.txt")
    with pytest.raises(FormatError, match=r"dataset.json', but there is none"):
        read_table(tmp_path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied")

    path = put(tmp_path, "a.txt", ITKSNAP)
    module = "napari_mednext.formats.tables"
    monkeypatch.setattr(f"{module}.embedding.find_nifti", forbidden)
    with pytest.raises(FormatError, match=r"can be read \(Permission denied\): check"):
        read_table(path)


def test_a_file_that_vanishes_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"can be read \(No such file or directory\)"):
        read_bytes(tmp_path / "a.txt")
