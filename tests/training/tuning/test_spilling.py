"""Arrays of a training that lie on the disk."""

import errno

import numpy as np
import pytest

from napari_mednext.errors import StorageError
from napari_mednext.training.tuning.spilling import spilled


@pytest.mark.parametrize(
    "array",
    [
        np.arange(120, dtype=np.int16).reshape(1, 4, 5, 6),
        np.linspace(-1, 1, 60, dtype=np.float32).reshape(3, 4, 5).transpose(2, 0, 1),
        np.arange(24, dtype=">u2").reshape(2, 3, 4)[:, ::-1],
    ],
)
def test_an_array_is_the_same_on_the_disk(tmp_path, array):
    found = spilled(array, tmp_path / "data" / "case.npy")
    assert isinstance(found, np.memmap)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(np.load(tmp_path / "data" / "case.npy"), array)


def test_what_is_written_to_it_stays_in_memory(tmp_path):
    found = spilled(np.zeros((2, 3)), tmp_path / "a.npy")
    found[0] = 7
    assert not np.load(tmp_path / "a.npy").any()


def test_what_a_killed_job_left_is_replaced(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"half of an arr")
    np.testing.assert_array_equal(spilled(np.ones(3), tmp_path / "a.npy"), np.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_a_full_disk_is_told_in_a_sentence(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StorageError, match=r"a\.npy"):
        spilled(np.ones(3), tmp_path / "a.npy")
    assert not list(tmp_path.iterdir())
