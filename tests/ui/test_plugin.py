"""The manifest, readers, writer and samples as napari calls them."""

from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_mednext
from napari_mednext.errors import FormatError
from napari_mednext.formats import ENDINGS, WRITABLE_ENDINGS, open_volume
from napari_mednext.ui import readers, samples
from napari_mednext.ui.bridge import labels_layer
from napari_mednext.ui.writers import write_mask
from napari_mednext.volume import Segmentation, reorient
from tests.ui.conftest import scan

MANIFEST = Path(napari_mednext.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(MANIFEST)


def test_every_command_of_the_manifest_exists(manifest):
    manifest.validate_imports()
    titles = [widget.display_name for widget in manifest.contributions.widgets]
    names = ("Segment", "Batch", "Study", "Improve")
    assert titles == [f"MedNeXt: {name}" for name in names]


def test_the_manifest_reads_and_writes_what_the_formats_do(manifest):
    files, _ = manifest.contributions.readers
    assert set(files.filename_patterns) == {f"*{ending}" for ending in ENDINGS}
    (writer,) = manifest.contributions.writers
    assert set(writer.filename_extensions) == set(WRITABLE_ENDINGS)


def test_a_file_becomes_a_layer(qapp, scan_file):
    reader = readers.files_reader(str(scan_file))
    ((array, options, kind),) = reader(str(scan_file))
    assert kind == "image"
    assert options["name"] == "case"
    shown = reorient(open_volume(scan_file), "LPS")
    assert np.array_equal(array, shown.array[0])


def test_other_files_are_left_to_other_readers(tmp_path):
    assert readers.files_reader("picture.png") is None
    assert readers.files_reader(["a.nii.gz", "b.png"]) is None
    assert readers.files_reader([]) is None
    assert readers.folder_reader(str(tmp_path)) is None
    assert readers.folder_reader([str(tmp_path)]) is None
    assert readers.folder_reader(str(tmp_path / "missing")) is None


def test_a_bad_file_is_a_notification_and_no_traceback(qapp, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("napari.utils.notifications.show_error", shown.append)
    bad = tmp_path / "bad.mha"
    bad.write_bytes(b"nothing")
    assert readers.files_reader(str(bad))(str(bad)) == [(None,)]
    assert shown[0].startswith("bad.mha: ")


def test_a_dicom_folder_is_recognised(qapp, shared_data):
    folder = str(shared_data / "formats" / "ts_ct_dicom_j2k")
    ((array, options, _),) = readers.folder_reader(folder)(folder)
    assert array.shape == (20, 512, 512)
    assert options["axis_labels"] == ("z", "y", "x")


@pytest.mark.parametrize("ending", WRITABLE_ENDINGS)
def test_the_writer_writes_on_the_grid_of_the_scan(scan_file, tmp_path, ending):
    source = open_volume(scan_file)
    shown = reorient(source, "LPS")
    array = (shown.array[0] > 500).astype(np.uint8)
    mask = Segmentation(array, shown.grid, {1: "bright"}, source=shown.source)
    data, options, _ = labels_layer(mask, "found")
    (written,) = write_mask(str(tmp_path / f"mask{ending}"), data, options)
    back = open_volume(written)
    assert back.grid.is_close(source.grid)
    assert np.array_equal(back.array[0], source.array[0] > 500)


def test_labels_of_other_plugins_are_written_where_they_are_shown(tmp_path):
    data = np.arange(24, dtype=np.int64).reshape(2, 3, 4) % 3
    options = {"name": "other", "scale": (3, 2, 1), "translate": (7, 8, 9)}
    (written,) = write_mask(str(tmp_path / "mask.nrrd"), data, options)
    back = open_volume(written)
    assert back.grid.spacing == pytest.approx((3, 2, 1))
    assert back.grid.origin == pytest.approx((9, 8, 7))
    assert np.array_equal(back.array[0], data)


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"got 'mask\.xyz'"):
        write_mask(str(tmp_path / "mask.xyz"), np.zeros((2, 2, 2), np.uint8), {})


@pytest.mark.parametrize("read", [samples.abdomen_ct, samples.abdomen_mr])
def test_small_samples_open(read):
    ((array, options, kind),) = read()
    assert kind == "image"
    assert array.ndim == 3
    assert options["scale"] == pytest.approx((3, 3, 3))


def test_a_label_map_opens_as_labels():
    volume = scan()
    mask = np.digitize(volume.array[0], [300, 600]).astype(np.int16)
    ((array, options, kind),) = readers.volume_layers(
        type(volume)(mask, volume.grid, "mask")
    )
    assert kind == "labels"
    assert array.dtype == np.uint8
    assert options["features"]["name"] == ["background", "label 1", "label 2"]
