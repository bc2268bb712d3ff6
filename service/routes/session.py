"""/session: the web console signs in with an API key, and gets a cookie that no script can read."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from core.keyring import KeyRing
from matteforge.schemas.base import Wire
from service.dependencies import Services, ServicesDep
from service.lookups import Lookups
from service.parameters import json_only
from service.routes import flower
from service.sessions import COOKIE, Sessions

router = APIRouter(prefix="/session", include_in_schema=False)


class SignIn(Wire):
    """What is sent to sign in."""

    key: str = Field(min_length=1, max_length=512)


class SessionOut(Wire):
    """Who is signed in, and what the console may link to."""

    owner: str | None = Field(description="the first 12 digits of the key's hash; null: nobody")
    admin: bool = Field(False, description="whether its key may see keys, metrics and Flower")
    flower: str | None = Field(None, description="where Flower is, for admins, if it is known")


async def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


async def _lookups(request: Request) -> Lookups:
    lookups: Lookups = request.app.state.lookups
    return lookups


SessionsDep = Annotated[Sessions, Depends(_sessions)]
LookupsDep = Annotated[Lookups, Depends(_lookups)]


@router.post("", response_model=SessionOut, dependencies=[Depends(json_only)])
async def sign_in(
    body: SignIn,
    request: Request,
    response: Response,
    services: ServicesDep,
    sessions: SessionsDep,
    lookups: LookupsDep,
) -> SessionOut:
    """Exchange a key for a cookie. Unauthorized when the key is not known."""
    owner, token = await lookups.run(sessions.sign_in, body.key.strip())
    response.set_cookie(
        COOKIE, token, max_age=sessions.lifetime_s, path=_path(services), httponly=True,
        samesite="strict", secure=request.url.scheme == "https",
    )  # fmt: skip
    return await lookups.run(_out, request, services, owner)


@router.get("", response_model=SessionOut)
async def look(
    request: Request, services: ServicesDep, sessions: SessionsDep, lookups: LookupsDep
) -> SessionOut:
    """Whose session the cookie names, if it names one."""
    owner = await lookups.run(sessions.owner, request.cookies.get(COOKIE, ""))
    if owner is None:
        return SessionOut(owner=None)
    return await lookups.run(_out, request, services, owner)


@router.delete("", status_code=204)
async def sign_out(
    request: Request,
    response: Response,
    services: ServicesDep,
    sessions: SessionsDep,
    lookups: LookupsDep,
) -> None:
    """End the session on the server, and take the cookie back."""
    await lookups.run(sessions.sign_out, request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path=_path(services), httponly=True, samesite="strict")


def _path(services: Services) -> str:
    """Where the cookie is sent: not to others that a proxy serves under the same name."""
    return services.settings.root_path.rstrip("/") or "/"


def _out(request: Request, services: Services, owner: str) -> SessionOut:
    keyring: KeyRing = request.app.state.keyring
    key, settings = keyring.by_hash(owner), services.settings
    if key is None:
        return SessionOut(owner=None)
    shown = f"{flower.PREFIX}/" if settings.flower_login else settings.flower_url
    return SessionOut(
        owner=key.id,
        admin=key.admin,
        flower=shown if key.admin and settings.flower_url else None,
    )
