"""A new domain from nothing, at tiny size: rendered pictures -> corpus -> a turn of the cycle that
starts from another domain's StyleMatte -> NAME@champion -> an order over REST -> shards."""

import io
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from core import keys
from core.corpora import CorpusBook
from core.errors import InvalidSpec
from core.messages import RunShard
from core.settings import Settings
from matteforge.schemas.criteria import BY_NAME
from matteforge.schemas.training import RunState, Stage
from models.renderer.blender.picture import RenderedPicture
from models.renderer.folder import PictureFolder
from service.app import create_app
from workers.control.reconcile import reconcile
from workers.cycle.corpora import add_corpus
from workers.generate.run_shard import run_shard
from workers.lifecycle import SamplerCache

API_KEY = "mf_test"
EVERYTHING_PASSES = {
    name: criterion.low if criterion.bound == "min" else criterion.high
    for name, criterion in BY_NAME.items()
}
"""Tiny networks agree on nothing: which samples they would reject is not what is looked at here."""


@dataclass(frozen=True)
class Ball:
    """Stands for a rendered subject's spec."""

    seed: int

    def to_json(self) -> str:
        return f'{{"seed": {self.seed}}}'


def render(folder: Path, count: int) -> Path:
    """What `matteforge render --members alpha,fg` leaves: furry discs over noise."""
    pictures = PictureFolder(folder, {"size": 64})
    for seed in range(count):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[-1:1:64j, -1:1:64j]
        edge = 0.6 + 0.08 * np.sin(np.arctan2(y, x) * 20 + seed)
        alpha = np.clip((edge - np.hypot(x, y)) * 12 + 0.5, 0, 1).astype(np.float32)
        fg_u8 = np.broadcast_to(rng.integers(60, 200, 3), (64, 64, 3)).astype(np.uint8)
        behind = rng.integers(0, 256, (64, 64, 3))
        rgb_u8 = (fg_u8 * alpha[..., None] + behind * (1 - alpha[..., None])).astype(np.uint8)
        picture = RenderedPicture(rgb_u8=rgb_u8, alpha=alpha, fg_u8=fg_u8)
        pictures.write(f"{seed:06d}", Ball(seed), picture)  # type: ignore[arg-type]
    return folder


def test_a_domain_is_rendered_trained_registered_ordered_and_delivered(
    empty_forge, bundle_folder, tmp_path
) -> None:
    forge = empty_forge
    start = forge.registry.publish(bundle_folder)
    manifest, _ = add_corpus(
        CorpusBook(forge.store), "balls", render(tmp_path / "rendered", 40), licence="CC0-1.0"
    )
    assert manifest.samples() == 40
    run = {"labelled": ["balls"], "unlabelled": ["balls"], "start_from": start.name}
    view = forge.run(forge.order("balls", **run))
    assert view.state is RunState.COMPLETED, view.end
    champion = forge.registry.resolve("balls@champion")
    assert champion == view.end.bundle != start.digest
    baseline = next(done for done in view.stages if done.stage is Stage.BASELINE)
    assert (baseline.figures["champion"], baseline.figures["start"]) == (None, start.digest)
    card = forge.registry.bundle(champion).card
    assert card["parents"] == [start.digest]
    assert card["corpora"]["balls"]["samples"] == 40

    context = replace(
        forge.context,
        sampler=SamplerCache(forge.registry, cache_dir=tmp_path / "cache", device="cpu"),
    )
    app = create_app(
        Settings(api_key=API_KEY), store=forge.store, live=context.live, doorbell=context.doorbell
    )
    order = {"count": 4, "shard_size": 2, "seed": 1, "model": "balls", "filter": EVERYTHING_PASSES}
    with TestClient(app, headers={"Authorization": f"Bearer {API_KEY}"}) as http:
        made = http.post("/v1/datasets", json=order)
        assert made.status_code == 202, made.text
        name = made.json()["id"]
        reconcile(context, 1000.0, name)
        for message, _ in list(context.doorbell.rung):
            if isinstance(message, RunShard):
                run_shard(context, message.dataset_id, message.shard)
        reconcile(context, 1000.0, name)
        told = http.get(f"/v1/datasets/{name}").json()
    assert (told["state"], told["counts"]["accepted"]) == ("completed", 4)
    assert forge.runs.store.head(keys.shard_tar(name, 1))
    with tarfile.open(fileobj=io.BytesIO(forge.store.get(keys.shard_tar(name, 0))[0])) as tar:
        assert sum(member.endswith(".alpha.png") for member in tar.getnames()) == 2


def test_a_start_that_is_not_there_is_refused_by_name(empty_forge, tmp_path) -> None:
    book = CorpusBook(empty_forge.store)
    add_corpus(book, "people", render(tmp_path / "rendered", 12), licence="CC0-1.0")
    with pytest.raises(InvalidSpec, match="start_from: there is no model 'cats'; known: none"):
        empty_forge.order("dogs", start_from="cats")
