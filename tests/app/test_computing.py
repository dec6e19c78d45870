import os

from napari_mednext.app.computing import COMPUTE_ENVIRONMENT, prepare_computing


def test_variables_are_set_and_the_users_stay(monkeypatch):
    for name in COMPUTE_ENVIRONMENT:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    prepare_computing()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"
