import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Small networks run fastest alone, and tests share the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
