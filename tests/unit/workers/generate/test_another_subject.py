"""A third domain, registered by this test: furry spheres. Nothing in the product knows them, and
yet they are ordered, drawn, judged and delivered."""

import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError
from torch import nn

from core import keys
from core.datasets.sample import RenderedSample, parse_sample
from core.errors import InvalidSpec
from matteforge.schemas.attributes import VOCABULARIES
from matteforge.schemas.datasets import DatasetState
from matteforge.schemas.orders import RenderedSpec
from matteforge.schemas.vocabulary import Limit, Vocabulary
from models.renderer.blender.nodes import plain_material
from models.renderer.blender.picture import RenderedPicture
from models.renderer.labels import ground_truth
from models.renderer.mesh.geometry import at_roots, grid_faces, random_roots, unit
from models.renderer.render import Quality, Survey, finish, survey
from models.renderer.scene import light
from models.renderer.scene.camera import placed
from models.renderer.scene.scene import Mesh, Part, Scene, Strands
from models.renderer.spec import SubjectSpec
from models.renderer.subject import Face, Subject
from models.renderer.subjects import SUBJECTS, subject_of
from workers.generate.rendered_sampler import RenderedSampler

SPHERES = Vocabulary(
    values={
        "size": ("small", "large"),
        "fur": ("none", "short", "long"),
        "bow": ("no", "yes"),
        "light": ("studio", "sun"),
        "background": ("plain", "room"),
    },
    defaults={"bow": 0.5},
    crossed=("size",),
    spread="fur",
    limits={"bow": Limit(where={"size": ("large",)}, otherwise="no")},
)
LENGTH_DM = {"none": 0.0, "short": 0.15, "long": 0.4}
ORDER = {"source": "rendered", "domain": "spheres", "size": 64, "framing": "aligned"}


@dataclass(frozen=True, kw_only=True)
class Ball:
    radius_dm: float
    fur_dm: float


@dataclass(frozen=True, kw_only=True)
class SphereSpec(SubjectSpec):
    domain: ClassVar[str] = "spheres"
    version: int = 3
    ball: Ball


def draw_ball(rng: np.random.Generator, labels: dict[str, str]) -> Ball:
    radius_dm = float(rng.uniform(0.9, 1.1)) * (0.6 if labels["size"] == "small" else 1.0)
    return Ball(radius_dm=radius_dm, fur_dm=LENGTH_DM[labels["fur"]])


def build_sphere(spec: SphereSpec) -> Scene:
    """A sphere whose front is its face, and two hundred hairs that stand on it."""
    up, around = np.linspace(0.01, np.pi - 0.01, 20), np.linspace(0, 2 * np.pi, 32, endpoint=False)
    level = np.sin(up)[:, None]
    ring = np.stack([level * np.sin(around), 0 * level + np.cos(up)[:, None] + 0 * around,
                     level * np.cos(around)], axis=-1)  # fmt: skip
    points, faces = ring.reshape(-1, 3) * spec.ball.radius_dm, grid_faces(20, 32)
    front = unit(np.array([[-0.3, 0.2, 1], [0.3, 0.2, 1], [0, -0.3, 1], [0, 1, 0]]))
    eye_right, eye_left, mouth, top = front * spec.ball.radius_dm
    camera = placed(spec.camera, points, (eye_left + eye_right) / 2, 0.0)
    axes = camera.axes()
    roots = random_roots(np.random.default_rng(spec.seed), points, faces, np.ones(len(points)), 200)
    at = at_roots(points, roots)
    hair = at[:, None] + unit(at)[:, None] * np.linspace(0, spec.ball.fur_dm, 4)[:, None]
    grown = Strands(points=hair, radius=np.full((200, 4), 0.01), material="fur")
    return Scene(
        meshes=(
            Mesh(
                points=points, faces=faces, material="skin", part=Part.SKIN,
                face_weight=(points[:, 2] > 0).astype(float),
            ),
        ),
        strands=(grown,) if spec.ball.fur_dm else (),
        materials={"skin": plain_material((0.5, 0.4, 0.3)), "fur": plain_material((0.3, 0.2, 0.1))},
        world=light.world(spec.light, axes),
        lamps=light.lamps(spec.light, axes, mouth),
        camera=camera,
        landmarks={"eye_left": eye_left, "eye_right": eye_right, "mouth": mouth, "top": top},
    )  # fmt: skip


SPHERE = Subject(
    spec=SphereSpec,
    concepts={"ball": draw_ball},
    build_scene=build_sphere,
    face=Face(
        eyes=("eye_left", "eye_right"),
        mouth=("mouth",),
        in_frame=("eye_left", "top"),
        shown=(Part.FACE, Part.HAIR),
    ),
    renderer="balls",
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VOCABULARIES, "spheres", SPHERES)
    monkeypatch.setitem(SUBJECTS, "spheres", SPHERE)


class GreyPaint:
    """A renderer without Blender: every sphere is grey, as its own alpha covers it."""

    def survey(self, spec: SubjectSpec) -> Survey:
        return survey(spec)

    def draw(self, surveyed: Survey, size: int, members: Sequence[str]) -> RenderedPicture:
        seen = surveyed.geometry.views(size, 8).seen()
        alpha = ground_truth.alpha(surveyed.geometry, size, seen)[..., None]
        linear = np.concatenate([alpha * 0.3] * 3 + [alpha], axis=-1)
        return finish(
            surveyed, linear, size=size, members=tuple(members), quality=Quality(alpha_points=8)
        )


class Half(nn.Module):
    """A StyleMatte that is never sure."""

    def forward(self, images):
        return images.new_full((len(images), 1, *images.shape[2:]), 0.5)


def delivered(bench: Any) -> list[tuple[RenderedSample, set[str]]]:
    found = []
    for key in bench.store.list_keys(keys.shards("ds_a")):
        if key.endswith(".tar"):
            with tarfile.open(fileobj=BytesIO(bench.store.get(key)[0])) as tar:
                names = [info.name for info in tar]
                for name in names:
                    stem, _, suffix = name.partition(".")
                    if suffix == "json":
                        body = tar.extractfile(name).read()  # type: ignore[union-attr]
                        mine = {n.partition(".")[2] for n in names if n.startswith(stem + ".")}
                        found.append((parse_sample(body), mine))
    return found  # type: ignore[return-value]


@pytest.mark.thorough
def test_an_order_of_them_is_met_exactly(bench: Any) -> None:
    bench.sampler = RenderedSampler(
        GreyPaint(), Half(), blender="none", stylematte="2" * 64, device="cpu"
    )
    wanted = {"size": {"small": 0.25}, "fur": {"long": 0.5, "none": 0.25}, "bow": 0.5}
    bench.order(count=8, shard_size=8, attributes=wanted, members=["fg", "landmarks"], **ORDER)
    bench.work()
    end = bench.catalog.end("ds_a")
    assert end.state is DatasetState.COMPLETED
    samples = delivered(bench)
    found = {
        name: Counter(sample.attributes[name] for sample, _ in samples) for name in SPHERES.values
    }
    assert found["size"] == {"small": 2, "large": 6}
    assert found["fur"] == {"long": 4, "none": 2, "short": 2}
    assert found["bow"] == {"yes": 3, "no": 5}, "half of the six that may have one"
    assert all(s.attributes["size"] == "large" for s, _ in samples if s.attributes["bow"] == "yes")
    assert {sample.renderer for sample, _ in samples} == {"balls/3 none"}
    assert all({"fg.png", "landmarks.json", "alpha.png"} <= suffixes for _, suffixes in samples)
    for sample, _ in samples:
        again = SPHERE.draw(sample.seed, sample.attributes, "aligned")
        assert json.loads(again.to_json()) == sample.spec


@pytest.mark.thorough
def test_long_fur_covers_more_of_the_picture() -> None:
    def share(fur: str) -> float:
        surveyed = survey(SPHERE.draw(5, {"fur": fur, "size": "large"}, "aligned"))
        assert surveyed.defects == ()
        return float(GreyPaint().draw(surveyed, 64, ("alpha",)).alpha.mean())

    assert share("none") < share("short") < share("long")


def test_a_spec_of_them_is_read_again_and_another_domains_is_not() -> None:
    spec = SPHERE.draw(2, {})
    assert SphereSpec.from_json(spec.to_json()) == spec
    other = next(iter(SUBJECTS.values())).spec
    with pytest.raises(InvalidSpec, match="not a portrait's spec"):
        other.from_json(spec.to_json())


def test_each_domain_has_attributes_of_its_own() -> None:
    with pytest.raises(ValidationError, match="unknown attribute 'glasses'; known: size, fur"):
        RenderedSpec(source="rendered", count=1, domain="spheres", attributes={"glasses": 0.5})
    with pytest.raises(ValidationError, match="nothing of the domain 'cubes' is rendered"):
        RenderedSpec(source="rendered", count=1, domain="cubes")
    with pytest.raises(InvalidSpec, match="nothing of the domain 'cubes' can be rendered"):
        subject_of("cubes")
