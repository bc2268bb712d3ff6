"""The stage that publishes what a run learned, and promotes what the gate let pass."""

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.bundle import GENERATOR_FILE, TRAINING_STATE_FILE
from core.registry import CANDIDATE, CHAMPION
from core.tenants import tenant_of
from matteforge.schemas.gate import GateDecision
from matteforge.schemas.training import Stage
from models.networks.checkpoints.load import load_generator
from workers.bundles import STYLEMATTE_FILE, assemble
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext
from workers.cycle.stylemattegan import GENERATOR, TRAINING_STATE
from workers.cycle.thresholds import calibrated


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which networks make the bundle: the run's (True), or those that it started from."""

    stylematte: bool
    generator: bool


def choose(decision: GateDecision, *, first: bool) -> Chosen:
    """Those that passed, beside the champion's where one did not. When none passed, both new ones,
    to be looked at.

    first: there is no champion to be kept. The better StyleMatte of the run makes the first bundle.
    """
    if first:
        return Chosen(stylematte=decision.passed, generator=True)
    if not decision.any_passed:
        return Chosen(stylematte=True, generator=True)
    return Chosen(
        stylematte=decision.passed,
        generator=decision.generator is not None and decision.generator.passed,
    )


def register(job: Job, context: StageContext) -> dict[str, Any]:
    """Publishes the chosen networks as NAME@candidate; NAME@champion follows if one of them passed
    the gate."""
    record, spec = job.record, job.spec
    decision = GateDecision.model_validate(job.figures(Stage.GATE))
    chosen = choose(decision, first=record.champion is None)
    folder = job.folder(Stage.REGISTER) / "bundle"
    folder.mkdir(parents=True, exist_ok=True)
    stylematte = job.output(
        Stage.FINE_TUNE if chosen.stylematte else Stage.BASELINE, STYLEMATTE_FILE
    )
    generator = _generator(job, context, chosen, folder / TRAINING_STATE_FILE)
    thresholds = calibrated(
        job, context, stylematte, load_generator(generator).config.img_resolution
    )
    assemble(
        folder, name=spec.domain, generator=generator, stylematte=stylematte, thresholds=thresholds,
        card=_card(job, context, decision, chosen),
    )  # fmt: skip
    tenant, why = tenant_of(record.owner), f"trained by {record.id}"
    bundle = context.registry.publish(folder, alias=CANDIDATE, reason=why, tenant=tenant)
    promoted = spec.promote and (decision.any_passed or record.champion is None)
    why = "; ".join(decision.told()) if decision.any_passed else "the first version"
    if promoted and not context.registry.promote(
        spec.domain,
        bundle.digest,
        reason=f"{why} ({record.id})",
        actor=record.id,
        expected=record.champion,
    ):
        promoted = False
        job.log(
            "the champion was changed while this run was under way: its comparison is void, "
            "nothing is promoted"
        )
    job.log(f"{spec.domain}@{CHAMPION if promoted else CANDIDATE} is {bundle.digest}")
    return {"bundle": bundle.digest, "promoted": promoted, "new": vars(chosen)}


def _generator(job: Job, context: StageContext, chosen: Chosen, training_state: Path) -> Path:
    """The generator for the bundle; `training_state` is written where it is known, for the next
    turn."""
    if chosen.generator:
        shutil.copyfile(job.output(Stage.ADVERSARIAL, TRAINING_STATE), training_state)
        return job.output(Stage.ADVERSARIAL, GENERATOR)
    assert job.record.champion is not None
    context.registry.training_state(job.record.champion, training_state)
    return context.bundle(job.record.champion) / GENERATOR_FILE


def _card(
    job: Job, context: StageContext, decision: GateDecision, chosen: Chosen
) -> dict[str, Any]:
    """Data, parents, code version, figures with intervals: what a reader of the bundle should
    know."""
    record = job.record
    corpora = {
        name: {
            "digest": corpus.digest,
            "kind": corpus.kind,
            "licence": corpus.licence,
            "samples": corpus.samples(),
        }
        for name, corpus in record.corpora.items()
    }
    evaluated, stage = (
        job.figures(Stage.EVALUATE),
        Stage.FINE_TUNE if chosen.stylematte else Stage.BASELINE,
    )
    generator: object
    if chosen.generator or record.champion is None:
        generator = {key: job.figures(Stage.ADVERSARIAL)[key] for key in ("images", "generator")}
    else:
        generator = context.registry.bundle(record.champion).card.get("generator")
    return {
        "run": record.id,
        "parents": [parent for parent in (record.champion, record.start) if parent],
        "code": f"matteforge {version('matteforge')}",
        "spec": record.spec.model_dump(mode="json"),
        "corpora": corpora,
        "stylematte": {
            "stage": stage,
            "test": evaluated["candidate" if chosen.stylematte else "champion"],
        },
        "generator": generator,
        "sampling": job.figures(Stage.SAMPLE),
        "gate": decision.model_dump(mode="json"),
    }
