"""The table in a NIfTI header, with nibabel as the other reader."""

import gzip
import struct
import xml.etree.ElementTree as ET

import nibabel as nib
import numpy as np
import pytest

from napari_mednext import formats
from napari_mednext.errors import FormatError
from napari_mednext.formats.tables import embed_table, read_table, table_bytes
from napari_mednext.labels import LabelSet, default_color
from tests.formats.makers import make_array, make_grid, write_nifti, xyz_ras

GRID = make_grid(degrees=(4.0, 0.0, 9.0))
LABELS = LabelSet.from_names(
    {1: "liver", 7: 'a "b" & <c> ]]>'}, {1: (254, 128, 1), 7: (0, 0, 3)}
)


def mask(path, **header):
    array = make_array(dtype=np.uint16)
    return write_nifti(path, array, xyz_ras(GRID), descrip="by hand", **header)


def plain(path):
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def test_the_document_is_as_documented():
    table = ET.fromstring(table_bytes(LABELS)).find("VolumeInformation/LabelTable")
    rows = [(label.attrib, label.text) for label in table]
    assert rows[1][1] == 'a "b" & <c> ]]>'
    assert rows[0][0]["Key"] == "1"
    assert float(rows[0][0]["Red"]) == pytest.approx(254 / 255, abs=1e-6)
    assert rows[0][0]["Alpha"] == "1"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("kind", "size", "at", "code"),
    [(nib.Nifti1Image, 348, 108, "f"), (nib.Nifti2Image, 540, 168, "q")],
)
def test_only_the_table_and_the_offset_change(tmp_path, name, kind, size, at, code):
    path = mask(tmp_path / name, kind=kind)
    before = plain(path)
    assert embed_table(path, LABELS) == path
    after = plain(path)
    offset = int(struct.unpack_from("<" + code, after, at)[0])
    width = struct.calcsize("<" + code)
    assert offset % 16 == 0
    assert after[:at] == before[:at]
    assert after[at + width : size] == before[at + width : size]
    assert after[offset:] == before[size + 4 :]
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")
    assert read_table(path).labels == LABELS


def test_nibabel_reads_it(tmp_path):
    path = mask(tmp_path / "a.nii.gz")
    embed_table(path, LABELS)
    image = nib.load(path)
    (extension,) = image.header.extensions
    assert extension.get_code() == 30
    assert extension.content.rstrip(b"\0") == table_bytes(LABELS)
    assert np.array_equal(np.asarray(image.dataobj).T, make_array())


def test_other_extensions_stay_and_an_older_table_goes(tmp_path):
    path = tmp_path / "a.nii.gz"
    image = nib.Nifti1Image(make_array(dtype=np.uint8).T, xyz_ras(GRID))
    old = table_bytes(LabelSet.from_names({2: "old"}))
    for code, content in ((6, b"a comment"), (0, old), (4, b"more")):
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    nib.save(image, path)
    for labels in (LABELS, LabelSet.from_names({5: "x" * 1000}), LABELS):
        embed_table(path, labels)
    found = nib.load(path).header.extensions
    assert [each.get_code() for each in found] == [6, 4, 30]
    assert found[0].content.rstrip(b"\0") == b"a comment"
    assert read_table(path).labels == LABELS
    assert np.array_equal(np.asarray(nib.load(path).dataobj).T, make_array() % 256)


def test_a_big_endian_file_stays_one(tmp_path):
    path = tmp_path / "a.nii"
    image = nib.Nifti1Image(make_array(dtype=">i2").T, None)
    image = nib.Nifti1Image(image.dataobj, xyz_ras(GRID), image.header.as_byteswapped())
    nib.save(image, path)
    assert path.read_bytes()[:4] == (348).to_bytes(4, "big")
    embed_table(path, LABELS)
    assert read_table(path).labels == LABELS
    assert np.array_equal(np.asarray(nib.load(path).dataobj).T, make_array())


def test_our_own_masks_take_a_table_and_keep_their_grid(tmp_path):
    volume = formats.open_volume(mask(tmp_path / "scan.nii.gz"))
    path = mask(tmp_path / "mask.nii.gz")
    embed_table(path, LABELS)
    again = formats.open_volume(path)
    assert again.grid.is_close(volume.grid, tolerance_mm=0)
    assert np.array_equal(again.array, volume.array)


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("sample/ts_abdomen_sm_seg117.nii.gz", 117, {1: "spleen", 5: "liver"}),
        ("dev/ts_abdomen_3mm_seg117.nii.gz", 117, {117: "costal_cartilages"}),
        ("sample/ts_abdomen_sm_mr_seg.nii.gz", 50, {50: "brain"}),
    ],
)
def test_masks_of_totalsegmentator_name_their_labels(shared_data, name, count, some):
    table = read_table(shared_data / name)
    assert table.kind == "NIfTI"
    assert list(table.labels.names) == list(range(1, count + 1))
    assert some.items() <= table.labels.names.items()
    assert table.labels.colors[1] == (0, 255, 0)


def test_a_table_of_totalsegmentator_is_replaced(shared_data, tmp_path):
    source = shared_data / "sample/ts_abdomen_sm_seg117.nii.gz"
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(source.read_bytes())
    embed_table(path, LABELS)
    assert read_table(path).labels == LABELS
    for key in ("voxels", "affine"):
        before, after = (
            np.asarray(
                nib.load(each).dataobj if key == "voxels" else nib.load(each).affine
            )
            for each in (source, path)
        )
        assert np.array_equal(before, after)


def test_a_table_beside_a_pair_is_read_but_not_written(tmp_path):
    image = nib.Nifti1Pair(make_array(dtype=np.uint8).T, xyz_ras(GRID))
    content = table_bytes(LabelSet.from_names({2: "spleen"}))
    image.header.extensions.append(nib.nifti1.Nifti1Extension(30, content))
    nib.save(image, tmp_path / "a.hdr")
    for name in ("a.hdr", "a.img"):
        table = read_table(tmp_path / name)
        assert table.labels.names == {2: "spleen"}
        assert table.labels.colors == {2: default_color(2)}
    with pytest.raises(FormatError, match=r"a single NIfTI file, but 'a.hdr' is none"):
        embed_table(tmp_path / "a.hdr", LABELS)


def test_a_mask_without_a_table_is_refused(tmp_path):
    path = mask(tmp_path / "a.nii.gz")
    with pytest.raises(FormatError, match=r"must hold a label table, but it has none"):
        read_table(path)


def patched(path, at, code, value):
    content = bytearray(plain(path))
    struct.pack_into(code, content, at, value)
    path.write_bytes(content)
    return path


def test_damaged_headers_are_refused_and_stay_as_they_are(tmp_path):
    path = patched(mask(tmp_path / "a.nii"), 108, "<f", 16.0)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"but it says that they begin at byte 16"):
        embed_table(path, LABELS)
    assert path.read_bytes() == before
    path = mask(tmp_path / "b.nii")
    embed_table(path, LABELS)
    patched(path, 352, "<i", 10**6)
    with pytest.raises(FormatError, match=r"must fit before its voxels, .* 1000000"):
        read_table(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.nii", "b.nii"]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_is_cut_short_is_refused_and_stays(tmp_path, name):
    path = mask(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"must be a whole file, but it is damaged"):
        embed_table(path, LABELS)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"<CaretExtension><LabelTable>", r"must be XML, but line 1"),
        (
            b"<?xml version='1.0' encoding='no-such'?><CaretExtension><LabelTable/>"
            b"</CaretExtension>",
            r"must be XML, but line 1",
        ),
        (b"<CaretExtension a='<LabelTable'/>", r"must be XML"),
        (
            b"<CaretExtension><!-- <LabelTable --></CaretExtension>",
            r"must hold a label",
        ),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, document, message):
    path = tmp_path / "a.nii"
    image = nib.Nifti1Image(make_array(dtype=np.uint8).T, xyz_ras(GRID))
    image.header.extensions.append(nib.nifti1.Nifti1Extension(30, document))
    nib.save(image, path)
    with pytest.raises(FormatError, match=message):
        read_table(path)
