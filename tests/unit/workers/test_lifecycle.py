from pathlib import Path

import pytest

from core.datasets.plan import Plan, RenderPlan
from core.errors import CheckpointRejected, NotFound, SourceUnavailable
from matteforge.schemas import people
from models.renderer import availability
from workers.generate.generated_sampler import GeneratedSampler
from workers.generate.rendered_sampler import RenderedSampler
from workers.lifecycle import BUNDLES_KEPT, SamplerCache


def plan_of(bundle: str, render: RenderPlan | None = None) -> Plan:
    return Plan(
        count=1,
        shard_size=1,
        shards_total=1,
        seed=1,
        render=render,
        image_format="png",
        alpha_bits=8,
        bundle=bundle,
        thresholds={},
        batch_size=1,
        threads=1,
        max_attempts_per_sample=1,
    )


PEOPLE = RenderPlan(size=64, shares=people.PEOPLE.complete({}), members=[])


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
    monkeypatch.setattr(
        GeneratedSampler, "from_folder", classmethod(lambda cls, folder, device: object())
    )
    return Shelf()


def test_the_least_recently_used_bundle_is_dropped(shelf: Shelf, tmp_path: Path) -> None:
    cache = SamplerCache(shelf, cache_dir=tmp_path, device="cpu")  # type: ignore[arg-type]
    first = cache(plan_of("a"))
    for digest in ("b", "a", "c", "a"):
        cache(plan_of(digest))
    assert cache(plan_of("a")) is first
    assert shelf.fetched == ["a", "b", "c"]
    assert BUNDLES_KEPT == 2
    cache(plan_of("b"))
    assert shelf.fetched == ["a", "b", "c", "b"]


def test_a_bundle_that_was_never_published_is_rejected_not_retried(
    shelf: Shelf, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointRejected, match="unknown"):
        SamplerCache(shelf, cache_dir=tmp_path, device="cpu")(plan_of("unknown"))  # type: ignore[arg-type]


def test_without_a_cache_folder_a_temporary_one_is_used(shelf: Shelf) -> None:
    cache = SamplerCache(shelf, cache_dir=None, device="cpu")  # type: ignore[arg-type]
    cache(plan_of("a"))
    folder = cache._bundles._folder
    assert folder.is_dir()
    cache._bundles._temporary.cleanup()  # type: ignore[union-attr]
    assert not folder.exists()


def test_each_source_of_a_bundle_has_its_sampler_and_a_process_one_renderer(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderers = []
    monkeypatch.setattr(availability, "available", lambda domain: None)
    monkeypatch.setattr(
        RenderedSampler,
        "from_folder",
        classmethod(lambda cls, folder, renderer, device: renderers.append(renderer)),
    )
    cache = SamplerCache(shelf, cache_dir=tmp_path, device="cpu")  # type: ignore[arg-type]
    assert cache(plan_of("a")) is not None
    assert cache(plan_of("a", PEOPLE)) is None
    cache(plan_of("b", PEOPLE))
    assert renderers[0] is renderers[1]


def test_a_worker_that_cannot_render_says_what_is_missing(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "available", lambda domain: "no bpy: pip install it")
    with pytest.raises(SourceUnavailable, match="no bpy: pip install it"):
        SamplerCache(shelf, cache_dir=tmp_path, device="cpu")(plan_of("a", PEOPLE))  # type: ignore[arg-type]
