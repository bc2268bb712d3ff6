"""Rendered people through a worker, with a renderer that draws discs and spoils every third
picture."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from core import keys
from core.datasets.manifest import ShardRecord
from core.datasets.sample import RenderedSample, parse_sample
from core.datasets.splits import candidate_seed
from core.errors import RendererFailed
from core.rendered_subjects import Assignment
from matteforge.schemas.attributes import MEMBERS, VOCABULARIES
from matteforge.schemas.datasets import DatasetState
from matteforge.schemas.people import PEOPLE
from models.renderer.blender.picture import RenderedPicture
from workers.generate import rendered_sampler, run_shard

WANTED = {"hair": {"long": 0.5, "bald": 0.1}, "glasses": 0.3}


@dataclass(frozen=True)
class Sketch:
    """Stands for a PortraitSpec."""

    seed: int
    labels: dict[str, str]
    framing: str
    version: int = 1

    def attributes(self) -> dict[str, str]:
        return dict(self.labels)

    def to_json(self) -> str:
        return json.dumps({"seed": self.seed, "labels": self.labels})


SUBJECT = SimpleNamespace(
    vocabulary=PEOPLE,
    weights={},
    renderer="discs",
    draw=lambda seed, labels, framing: Sketch(seed, dict(labels), framing),
)
"""Stands for a Subject."""


@dataclass(frozen=True)
class Sitting:
    """Stands for a Survey."""

    spec: Sketch
    defects: tuple[str, ...]


@dataclass
class Discs:
    """A renderer; `spoilt` tells whose face is covered."""

    spoilt: Callable[[Sketch], bool] = field(default=lambda spec: spec.seed % 3 == 0)
    surveyed: list[Sketch] = field(default_factory=list)
    drawn: list[Sketch] = field(default_factory=list)

    def survey(self, spec: Sketch) -> Sitting:
        self.surveyed.append(spec)
        return Sitting(spec, ("face_covered",) if self.spoilt(spec) else ())

    def draw(self, surveyed: Sitting, size: int, members: tuple[str, ...]) -> RenderedPicture:
        spec = surveyed.spec
        self.drawn.append(spec)
        rng = np.random.default_rng(spec.seed)
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        alpha = np.clip((0.6 - np.hypot(x, y)) * 5, 0, 1).astype(np.float32)
        rgb_u8, grey = (
            rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
            (alpha * 255).astype(np.uint8),
        )
        made = {
            "fg": {"fg_u8": rgb_u8},
            "trimap": {"trimap_u8": grey},
            "depth": {"depth_mm": grey.astype(np.uint16) * 10},
            "normals": {"normals_u8": rgb_u8},
            "parts": {"parts_u8": grey // 64},
            "landmarks": {"landmarks": {"chin": (1.5, 2.0)}},
        }
        wanted = {
            name: array
            for member in members
            if member != "alpha"
            for name, array in made[member].items()
        }
        return RenderedPicture(rgb_u8=rgb_u8, alpha=alpha, camera={"focal_px": 100.0}, **wanted)


class Half(nn.Module):
    """A StyleMatte that is never sure."""

    def forward(self, images):
        return images.new_full((len(images), 1, *images.shape[2:]), 0.5)


@pytest.fixture
def discs(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Discs:
    monkeypatch.setattr(rendered_sampler, "subject_of", lambda domain: SUBJECT)
    renderer = Discs()
    bench.sampler = rendered_sampler.RenderedSampler(
        renderer, Half(), blender="none", stylematte="2" * 64, device="cpu"
    )
    return renderer


def order(bench: Any, dataset_id: str = "ds_a", **spec: object):
    fields = {
        "source": "rendered",
        "size": 64,
        "count": 20,
        "shard_size": 8,
        "attributes": WANTED,
        **spec,
    }
    return bench.order(dataset_id, **fields)


def samples(bench: Any, dataset_id: str = "ds_a") -> list[tuple[RenderedSample, dict[str, bytes]]]:
    found: dict[str, dict[str, bytes]] = {}
    for key in bench.store.list_keys(keys.shards(dataset_id)):
        if key.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(bench.store.get(key)[0])) as tar:
                for info in tar:
                    name, _, suffix = info.name.partition(".")
                    found.setdefault(name, {})[suffix] = tar.extractfile(info).read()  # type: ignore[union-attr]
    return [(parse_sample(members["json"]), members) for _, members in sorted(found.items())]  # type: ignore[misc]


def test_the_manifest_and_the_samples_hold_exactly_what_was_ordered(
    bench: Any, discs: Discs
) -> None:
    plan = order(bench).plan
    bench.work()
    counts = bench.catalog.end("ds_a").counts
    expected = Assignment(seed=7, count=20, shares=plan.render.shares, vocabulary=PEOPLE).counts
    for name, values in expected.items():
        found = Counter(sample.attributes[name] for sample, _ in samples(bench))
        assert {value: counts.attributes[name].get(value, 0) for value in values} == values
        assert {value: found[value] for value in values} == values
    assert counts == bench.live.get("ds_a").counts
    assert counts.rejected == {"face_covered": len(discs.surveyed) - 20}
    assert counts.rejected["face_covered"] > 0
    assert counts.attempted == len(discs.surveyed)
    assert len(discs.drawn) == 20, "what quality control rejects is not drawn"


def test_a_redraw_keeps_the_attributes_and_takes_the_next_seed(bench: Any, discs: Discs) -> None:
    plan = order(bench).plan
    bench.work()
    people = Assignment(seed=7, count=20, shares=plan.render.shares, vocabulary=PEOPLE)
    for sample, _ in samples(bench):
        assert sample.seed == candidate_seed(7, sample.slot, sample.redraw)
        assert sample.attributes == people[sample.slot]
        assert sample.slot == sample.shard * 8 + sample.index
        assert sample.spec == {"seed": sample.seed, "labels": sample.attributes}
    assert any(sample.redraw for sample, _ in samples(bench))


@pytest.mark.parametrize("framing", ["free", "aligned"])
def test_the_ordered_framing_reaches_the_renderer(bench: Any, discs: Discs, framing: str) -> None:
    order(bench, count=2, framing=framing)
    bench.work()
    assert {sketch.framing for sketch in discs.drawn} == {framing}


@pytest.mark.thorough
def test_pictures_do_not_depend_on_the_shard_size(bench: Any, discs: Discs) -> None:
    for dataset_id, shard_size in (("ds_a", 8), ("ds_b", 3)):
        order(bench, dataset_id, shard_size=shard_size)
    bench.work()
    first, second = (
        [
            (s.slot, s.seed, s.attributes, m["image.png"], m["alpha.png"])
            for s, m in samples(bench, d)
        ]
        for d in ("ds_a", "ds_b")
    )
    assert first == second


@pytest.mark.thorough
def test_bytes_are_the_same_each_time(bench: Any, discs: Discs) -> None:
    for dataset_id in ("ds_a", "ds_b"):
        order(bench, dataset_id, members=list(MEMBERS))
        bench.run(1, dataset_id)
    first, again = (bench.store.get(keys.shard_tar(d, 1))[0] for d in ("ds_a", "ds_b"))
    assert first == again


def test_members_are_written_as_ordered(bench: Any, discs: Discs) -> None:
    order(
        bench,
        count=1,
        members=["landmarks", "depth", "fg", "trimap", "normals", "parts"],
        alpha_bits=16,
    )
    bench.run(0)
    ((sample, members),) = samples(bench)
    assert set(members) == {
        "image.png",
        "alpha.png",
        "json",
        "fg.png",
        "trimap.png",
        "depth.png",
        "normals.png",
        "parts.png",
        "landmarks.json",
    }
    assert json.loads(members["landmarks.json"]) == {"chin": [1.5, 2.0]}
    assert np.asarray(Image.open(io.BytesIO(members["depth.png"]))).max() > 255
    assert np.asarray(Image.open(io.BytesIO(members["alpha.png"]))).max() == 65535
    assert (sample.width, sample.renderer, sample.camera) == (
        64,
        "discs/1 none",
        {"focal_px": 100.0},
    )
    assert not hasattr(sample, "truncation_psi")


def test_disagreement_with_stylematte_is_measured_and_rejects_only_on_request(
    bench: Any, discs: Discs
) -> None:
    discs.spoilt = lambda spec: False
    order(bench, count=2)
    bench.work()
    assert bench.catalog.end("ds_a").state is DatasetState.COMPLETED
    assert all(sample.scores["mad"] > 0.3 for sample, _ in samples(bench))
    order(bench, "ds_b", count=2, filter={"mad": 0.1})
    bench.work()
    end = bench.catalog.end("ds_b")
    assert end.error.code == "rejection_budget_exhausted"
    assert "mad rejected 20 of 20 candidates (threshold 0.1)" in end.error.detail


def test_a_slot_that_never_passes_ends_its_dataset_with_the_defect(
    bench: Any, discs: Discs
) -> None:
    discs.spoilt = lambda spec: len(discs.surveyed) > 3
    order(bench)
    bench.run(0)
    record = bench.catalog.shard_record("ds_a", 0)
    assert (record.samples, record.attempted, record.rejected) == (3, 23, {"face_covered": 20})
    assert (
        "face_covered rejected 20 of 23 candidates; what was accepted stays"
        in bench.catalog.failure("ds_a").detail
    )


def test_a_portrait_that_kills_its_renderer_does_not_go_on_for_ever(
    bench: Any, discs: Discs
) -> None:
    def die(spec: Sketch) -> bool:
        raise RendererFailed

    discs.spoilt = die
    order(bench)
    for _ in range(run_shard.MAX_TRIES):
        bench.run(0)
        assert bench.catalog.failure("ds_a") is None
    bench.run(0)
    assert "broke its worker" in bench.catalog.failure("ds_a").detail


@pytest.mark.parametrize("domain", VOCABULARIES)
def test_the_largest_record_fits_into_an_objects_metadata(domain: str) -> None:
    known = VOCABULARIES[domain].values
    attributes = {name: dict.fromkeys(values, 9_999) for name, values in known.items()}
    record = ShardRecord(
        shard=999_998,
        name="999998.tar",
        samples=10_000,
        attempted=200_000,
        size_bytes=10**12,
        sha256="0" * 64,
        rejected=dict.fromkeys(
            ("face_covered", "out_of_frame", "poke_through", "mad", "iou", "grad"), 99_999
        ),
        attributes=attributes,
    )
    assert len("record" + record.model_dump_json()) < 2048, "S3 takes 2 kB of user metadata"
