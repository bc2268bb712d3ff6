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
    found = {"amx_bf16": True} if amx else {"neon": True}  # what is there differs by processor
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert training_dtype(device) is dtype
