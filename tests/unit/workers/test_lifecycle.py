from pathlib import Path

import pytest

from core.errors import CheckpointRejected, NotFound
from workers.generate.engine import Engine
from workers.lifecycle import BUNDLES_KEPT, SamplerCache


class Shelf:
    """A registry that only knows where bundles lie."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def fetch(self, digest: str, cache_dir: Path) -> Path:
        if digest == "unknown":
            raise NotFound("there is no bundle unknown")
        self.fetched.append(digest)
        return cache_dir / digest


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(Engine, "from_folder", classmethod(lambda cls, folder, device: object()))
    return Shelf()


def test_the_least_recently_used_bundle_is_dropped(shelf: Shelf, tmp_path: Path) -> None:
    cache = SamplerCache(shelf, cache_dir=tmp_path, device="cpu")  # type: ignore[arg-type]
    first = cache("a")
    for digest in ("b", "a", "c", "a"):
        cache(digest)
    assert cache("a") is first
    assert shelf.fetched == ["a", "b", "c"]
    assert BUNDLES_KEPT == 2
    cache("b")
    assert shelf.fetched == ["a", "b", "c", "b"]


def test_a_bundle_that_was_never_published_is_rejected_not_retried(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(CheckpointRejected, match="unknown"):
        SamplerCache(shelf, cache_dir=tmp_path, device="cpu")("unknown")  # type: ignore[arg-type]


def test_without_a_cache_folder_a_temporary_one_is_used(shelf: Shelf) -> None:
    cache = SamplerCache(shelf, cache_dir=None, device="cpu")  # type: ignore[arg-type]
    cache("a")
    folder = cache._folder
    assert folder.is_dir()
    cache._temporary.cleanup()  # type: ignore[union-attr]
    assert not folder.exists()
