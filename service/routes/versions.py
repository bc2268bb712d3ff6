"""/v1/models/{name}/…: which version is the champion, which one was, and what is known of each."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from core.errors import NotFound
from core.registry import CHAMPION
from matteforge.schemas.models import MoveOut, MovePage, PromoteIn, RollbackIn, VersionOut
from service.dependencies import KeyDep, OwnModel, ReadableModel, Services, ServicesDep, bearer
from service.parameters import json_only
from service.problems import documented

router = APIRouter(prefix="/v1/models/{name}", tags=["models"], dependencies=[bearer])


@router.post(
    "/promote", response_model=MovePage, responses=documented(400, 404, 409, 413, 415),
    dependencies=[Depends(json_only)], summary="Promote a version",
)  # fmt: skip
def promote(name: OwnModel, body: PromoteIn, services: ServicesDep, key: KeyDep) -> MovePage:
    """Make a version, or whatever an alias points to, the champion. Datasets under way keep what
    they pinned."""
    digest = services.registry.resolve(f"{name}@{body.version}")
    services.registry.move_alias(name, CHAMPION, digest, reason=body.reason, actor=key.sha256)
    return _history(services, name)


@router.post(
    "/rollback", response_model=MovePage, responses=documented(400, 404, 409, 413, 415),
    dependencies=[Depends(json_only)], summary="Roll back",
)  # fmt: skip
def rollback(name: OwnModel, body: RollbackIn, services: ServicesDep, key: KeyDep) -> MovePage:
    """Make the version champion again that was it before the present one came."""
    if body.present in (None, services.registry.aliases(name).current(CHAMPION)):
        services.registry.rollback(name, reason=body.reason, actor=key.sha256)
    return _history(services, name)


@router.get(
    "/history", response_model=MovePage, responses=documented(404), summary="Read the audit trail"
)
def history(name: ReadableModel, services: ServicesDep) -> MovePage:
    """Every move of every alias, newest first: what, when, why, by whom."""
    return _history(services, name)


@router.get(
    "/versions/{version}", response_model=VersionOut, responses=documented(404),
    summary="Look at a version",
)  # fmt: skip
def version(
    name: ReadableModel,
    version: Annotated[str, Path(max_length=100, examples=["candidate"])],
    services: ServicesDep,
) -> VersionOut:
    """`version`: an alias or sha256:DIGEST."""
    digest = services.registry.resolve(f"{name}@{version}")
    bundle = services.registry.bundle(digest)
    return VersionOut(
        digest=digest, name=bundle.name, resolution=bundle.resolution,
        truncation_psi=bundle.truncation_psi, files=bundle.files, thresholds=bundle.thresholds,
        card=bundle.card,
    )  # fmt: skip


def _history(services: Services, name: str) -> MovePage:
    moves = [
        MoveOut(alias=alias, digest=move.digest, at=move.at, reason=move.reason, actor=move.actor)
        for alias, moves in services.registry.aliases(name).moves.items()
        for move in moves
    ]
    if not moves:
        raise NotFound(f"there is no model {name!r}")
    return MovePage(items=sorted(moves, key=lambda move: move.at, reverse=True))
