"""/v1/models: what an order's `model` may name."""

from fastapi import APIRouter

from core.registry import CHAMPION
from matteforge.schemas.models import ModelOut, ModelPage
from service.dependencies import KeyDep, ReadableModel, Services, ServicesDep, bearer
from service.problems import documented

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[bearer])


@router.get("", response_model=ModelPage, responses=documented(), summary="List models")
def list_models(services: ServicesDep, key: KeyDep) -> ModelPage:
    """Those of the key's tenant and of the house, with their aliases."""
    names = services.registry.names(key.reads)
    return ModelPage(items=[_model(services, name) for name in names])


@router.get(
    "/{name}", response_model=ModelOut, responses=documented(404), summary="Look at a model"
)
def get_model(name: ReadableModel, services: ServicesDep) -> ModelOut:
    """Its aliases, and the thresholds and card of its champion."""
    return _model(services, name)


def _model(services: Services, name: str) -> ModelOut:
    tenant = services.registry.aliases(name).tenant
    aliases = dict(services.registry.versions(name))
    champion = services.registry.bundle(aliases[CHAMPION]) if CHAMPION in aliases else None
    return ModelOut(
        name=name,
        tenant=tenant,
        aliases=aliases,
        resolution=champion.resolution if champion else None,
        truncation_psi=champion.truncation_psi if champion else None,
        thresholds=champion.thresholds if champion else {},
        card=champion.card if champion else {},
    )
