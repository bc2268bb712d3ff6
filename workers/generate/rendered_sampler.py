"""Portraits rendered to order, measured by StyleMatte: the sampler of the source `rendered`, beside
generated_sampler.py."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import nn

from core.bundle import load_bundle_folder
from core.datasets.plan import Plan, RenderPlan
from core.errors import CheckpointRejected
from core.rendered_subjects import Assignment
from models.imaging.pixels import to_unit, u8_from_u16
from models.imaging.tensors import rgb_from_u8
from models.kernels.device import pick_device
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte.network import predict_alpha
from models.renderer.blender.picture import RenderedPicture
from models.renderer.render import Survey
from models.renderer.spec import SubjectSpec
from models.renderer.subject import Subject
from models.renderer.subjects import subject_of
from workers.bundles import STYLEMATTE_FILE
from workers.generate.candidate import Candidate, Member
from workers.generate.determinism import deterministic
from workers.generate.scores import score_agreement, score_subjects

NOT_DRAWN = np.zeros((0, 0, 3), np.uint8)
"""The picture of a subject whose geometry was rejected."""


class Renderer(Protocol):
    """Draws portraits; models.renderer.blender.process.RenderProcess does it in a process of its
    own."""

    def survey(self, spec: SubjectSpec) -> Survey:
        """The subject as geometry, and whether it is fit to be drawn: a fraction of the time that
        `draw` takes."""

    def draw(self, surveyed: Survey, size: int, members: Sequence[str]) -> RenderedPicture:
        """Equal specs and sizes give equal pixels. Raises RendererFailed."""


class RenderedSampler:
    """Draws each slot of a shard until a picture passes; equal plans give equal candidates."""

    def __init__(
        self,
        renderer: Renderer,
        matte: nn.Module,
        *,
        blender: str,
        stylematte: str,
        device: str | torch.device = "auto",
    ) -> None:
        """blender: its version. stylematte: sha256 of its checkpoint."""
        self._renderer, self._blender, self._stylematte = renderer, blender, stylematte
        self._device = pick_device(device)
        self._matte = matte.to(self._device).eval()

    @classmethod
    def from_folder(cls, folder: Path, renderer: Renderer, *, device: str = "auto") -> Self:
        """With the StyleMatte of a bundle folder. Raises CheckpointRejected."""
        files = load_bundle_folder(folder).files
        if STYLEMATTE_FILE not in files:
            raise CheckpointRejected(f"the bundle lacks its file {STYLEMATTE_FILE}")
        matte = load_stylematte(folder / STYLEMATTE_FILE)
        blender = f"bpy {metadata.version('bpy')}"
        return cls(
            renderer, matte, blender=blender, stylematte=files[STYLEMATTE_FILE], device=device
        )

    def candidates(self, plan: Plan, shard: int) -> Iterator[list[Candidate]]:
        """One at a time, slot by slot. A rejected picture is drawn anew with the same attributes
        from another seed.

        The shard ends with a slot whose plan.max_attempts_per_sample pictures were all rejected.
        """
        if plan.render is None:
            raise ValueError("the plan is not one of rendered portraits")
        torch.set_num_threads(plan.threads)
        subject = subject_of(plan.render.domain)
        slots = Assignment(
            seed=plan.seed,
            count=plan.count,
            shares=plan.render.shares,
            vocabulary=subject.vocabulary,
        )
        first, attempts = plan.part(shard).first_slot, count()
        for slot in range(first, first + plan.samples_in(shard)):
            for redraw in range(plan.max_attempts_per_sample):
                seed = plan.seed_of(shard, slot, redraw)
                spec = subject.draw(seed, slots[slot], plan.render.framing)
                place = slot, redraw, next(attempts)
                candidate = self._draw(plan, plan.render, subject, spec, place)
                yield [candidate]
                if candidate.rejection(plan.thresholds) is None:
                    break
            else:
                return

    def _draw(
        self,
        plan: Plan,
        wanted: RenderPlan,
        subject: Subject[Any],
        spec: SubjectSpec,
        place: tuple[int, int, int],
    ) -> Candidate:
        (slot, redraw, attempt), attributes = place, spec.attributes()
        surveyed = self._renderer.survey(spec)
        if surveyed.defects:
            return Candidate(
                attempt=attempt,
                seed=spec.seed,
                rgb_u8=NOT_DRAWN,
                alpha=NOT_DRAWN[..., 0],
                scores={},
                facts={},
                defects=surveyed.defects,
                attributes=attributes,
            )
        picture = self._renderer.draw(surveyed, wanted.size, ("alpha", *wanted.members))
        facts = {
            "slot": slot,
            "redraw": redraw,
            "attributes": attributes,
            "spec": one_schema(json.loads(spec.to_json()), subject.weights),
            "camera": picture.camera,
            "renderer": f"{subject.renderer}/{spec.version} {self._blender}",
            "stylematte": self._stylematte,
        }
        return Candidate(
            attempt=attempt,
            seed=spec.seed,
            rgb_u8=picture.rgb_u8,
            alpha=picture.alpha_u16 if plan.alpha_bits == 16 else u8_from_u16(picture.alpha_u16),
            scores=self._scores(picture),
            facts=facts,
            attributes=attributes,
            members=members_of(picture, wanted.members),
        )

    @deterministic()
    def _scores(self, picture: RenderedPicture) -> dict[str, float]:
        alphas = to_unit(picture.alpha_u16[None])
        with torch.inference_mode():
            predicted = predict_alpha(
                self._matte, rgb_from_u8(picture.rgb_u8[None]).to(self._device)
            )[:, 0]
        return (
            score_subjects(alphas)[0] | score_agreement(alphas, predicted.float().cpu().numpy())[0]
        )


def one_schema(spec: dict[str, Any], weights: Mapping[str, str]) -> dict[str, Any]:
    """Weights by name, in a field of some concepts, as lists of {name, value}: readers that infer a
    schema from the first samples would drop the names that come later."""
    return {
        concept: {**fields, weights[concept]: _named(fields[weights[concept]])}
        if concept in weights
        else fields
        for concept, fields in spec.items()
    }


def _named(weights: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in sorted(weights.items())]


def members_of(picture: RenderedPicture, names: Sequence[str]) -> dict[str, Member]:
    """Ground truth beside alpha, by suffix."""
    made: dict[str, Member | None] = {
        "fg": picture.fg_u8,
        "trimap": picture.trimap_u8,
        "depth": picture.depth_mm,
        "normals": picture.normals_u8,
        "parts": picture.parts_u8,
        "landmarks": picture.landmarks,
    }
    members = {f"{name}.{'json' if name == 'landmarks' else 'png'}": made[name] for name in names}
    if missing := [suffix for suffix, member in members.items() if member is None]:
        raise ValueError(f"the renderer left out {', '.join(missing)}")
    return {suffix: member for suffix, member in members.items() if member is not None}
