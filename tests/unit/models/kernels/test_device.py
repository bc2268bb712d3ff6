import pytest
import torch

from models.kernels.device import training_dtype


@pytest.mark.parametrize(
    ("device", "amx", "dtype"),
    [
        ("cuda", False, torch.bfloat16),
        ("cpu", True, torch.bfloat16),
        ("cpu", False, torch.float32),
    ],
)
def test_layers_learn_in_the_precision_that_the_device_multiplies_fast(
    monkeypatch: pytest.MonkeyPatch, device: str, amx: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert training_dtype(device) is dtype
