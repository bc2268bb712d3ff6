"""/v1/keys: make, list, change, rotate and revoke API keys. For admins."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from core.errors import StateConflict
from core.keyring import ApiKey, KeyRing
from matteforge.schemas.keys import KEY_ID, KeyChange, KeyIn, KeyOut, KeyPage, NewKeyOut, Scope
from service.audit import note
from service.dependencies import KeyDep, Services, ServicesDep, bearer, matching
from service.limits import effective
from service.parameters import json_only
from service.problems import documented

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[bearer])


async def _keyring(request: Request) -> KeyRing:
    keyring: KeyRing = request.app.state.keyring
    return keyring


async def _key_id(key_id: Annotated[str, Path(examples=["0123456789ab"])]) -> str:
    return matching(KEY_ID, "key", key_id)


KeyRingDep = Annotated[KeyRing, Depends(_keyring)]
KeyId = Annotated[str, Depends(_key_id)]


@router.get("", response_model=KeyPage, responses=documented(), summary="List keys")
def list_keys(keyring: KeyRingDep, services: ServicesDep) -> KeyPage:
    """Those that were not revoked. No secrets: only hashes are kept."""
    found = [KeyOut(**_fields(services, key)) for key in keyring.all()]
    return KeyPage(items=sorted(found, key=lambda key: (key.name, key.id)))


@router.post(
    "", status_code=201, response_model=NewKeyOut, responses=documented(400, 413, 415),
    dependencies=[Depends(json_only)], summary="Make a key",
)  # fmt: skip
def create_key(body: KeyIn, keyring: KeyRingDep, services: ServicesDep) -> NewKeyOut:
    """The answer holds the secret, once."""
    return _new(services, *keyring.create(body))


@router.post(
    "/{key_id}/rotate", response_model=NewKeyOut, responses=documented(404, 409),
    summary="Rotate a key",
)  # fmt: skip
def rotate_key(key_id: KeyId, keyring: KeyRingDep, services: ServicesDep) -> NewKeyOut:
    """A new secret with the same name, tenant, scopes, limits and end; the old one is revoked at
    once."""
    if keyring.get(key_id).bootstrap:
        raise StateConflict(
            "the bootstrap key comes from MATTEFORGE_API_KEY; set another one there and restart"
        )
    return _new(services, *keyring.rotate(key_id))


@router.patch(
    "/{key_id}",
    response_model=KeyOut,
    responses=documented(400, 404, 409, 413, 415),
    dependencies=[Depends(json_only)],
    summary="Change a key",
)
def change_key(
    key_id: KeyId,
    body: KeyChange,
    request: Request,
    keyring: KeyRingDep,
    services: ServicesDep,
    own: KeyDep,
) -> KeyOut:
    """Its scopes, its limits and its end; what is left out stays. It counts within a second on
    every process."""
    old = keyring.get(key_id)
    if old.bootstrap:
        raise StateConflict(
            "the bootstrap key may do everything, and has the service's own limits, such as "
            "MATTEFORGE_SAMPLES_PER_DAY; change a key that you made"
        )
    if own.id == key_id and Scope.ADMIN not in (body.scopes or old.scopes):
        raise StateConflict(
            "this request was sent with that key, which would no longer be an admin's; change it "
            "with another one"
        )
    changed = keyring.change(key_id, body)
    if changed.scopes != old.scopes:
        note(request, f"scopes {', '.join(old.scopes)} -> {', '.join(changed.scopes)}")
    return KeyOut(**_fields(services, changed))


@router.delete("/{key_id}", status_code=204, responses=documented(404, 409), summary="Revoke a key")
def revoke_key(key_id: KeyId, keyring: KeyRingDep, own: KeyDep) -> None:
    """It counts no more, within a second on every process."""
    if own.id == key_id:
        raise StateConflict("this request was sent with that key; revoke it with another one")
    keyring.revoke(key_id)


def _new(services: Services, key: ApiKey, secret: str) -> NewKeyOut:
    return NewKeyOut(**_fields(services, key), key=secret)


def _fields(services: Services, key: ApiKey) -> dict[str, Any]:
    names = ("id", "name", "tenant", "scopes", "created_at", "expires_at")
    limits = effective(key, services.settings)
    return {name: getattr(key, name) for name in names} | {"limits": limits}
