"""Which device a process works on."""

from __future__ import annotations

import logging

import torch

log = logging.getLogger(__name__)


def pick_device(name: str | torch.device) -> torch.device:
    """The device of that name; `auto` is cuda where torch sees one, else cpu.

    CUDA_VISIBLE_DEVICES decides which cards torch sees, and the first of them is taken.
    """
    if name != "auto":
        return torch.device(name)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    log.info("auto is %s", describe(device))
    return device


def describe(device: torch.device) -> str:
    """Its name for a log: a card's model beside its index."""
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


def half_dtype() -> torch.dtype:
    """The precision of layers in half precision: float16, but bfloat16 where gradients are
    recorded.

    Losses are means over pixels, so most entries of their gradients are below float16's smallest
    number (6e-8) and would be zero; bfloat16 has float32's range, and needs no loss scale.
    """
    return torch.bfloat16 if torch.is_grad_enabled() else torch.float16


def training_dtype(device: torch.device | str) -> torch.dtype:
    """The precision in which a generator's layers learn fastest: bfloat16 on CUDA and on a CPU
    whose matrix units take it (AMX: 2.5 times an image at 128 px), else float32."""
    fast = torch.device(device).type == "cuda" or torch.cpu.get_capabilities().get("amx_bf16")
    return torch.bfloat16 if fast else torch.float32
