import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def perturb():
    """Return a function that makes norms and GRN of a network active."""

    def run(network, seed=0):
        generator = torch.Generator().manual_seed(seed)
        for name, value in network.named_parameters():
            if "grn_" in name or ".norm." in name:
                noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
                value.data += 0.3 * noise
        return network

    return run
