"""What the API answers to a client."""

from typing import Any

import pytest


@pytest.fixture(scope="session")
def queued() -> dict[str, Any]:
    """A dataset of ten samples, just ordered, as the API describes it."""
    return {
        "id": "ds_" + "0" * 24,
        "state": "queued",
        "timestamps": {"queued": "2026-01-01T00:00:00Z"},
        "spec": {"count": 10, "seed": 1},
        "bundle": "sha256:" + "0" * 64,
        "counts": {"requested": 10, "shards_total": 1},
        "rate": None,
        "eta_s": None,
        "error": None,
        "cancel_requested": False,
        "links": {},
    }
