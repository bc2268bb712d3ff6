"""/session: the web console signs in with an API key, and gets a cookie that no script can read."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from matteforge.schemas.base import Wire
from service.dependencies import ServicesDep
from service.routes.datasets import json_only
from service.sessions import COOKIE, Sessions

router = APIRouter(prefix="/session", include_in_schema=False)


class SignIn(Wire):
    """What is sent to sign in."""

    key: str = Field(min_length=1, max_length=512)


class SessionOut(Wire):
    """Who is signed in, and what the console may link to."""

    owner: str | None = Field(description="the first 12 digits of the key's hash; null: nobody")
    flower: str | None = Field(description="where Flower is, if it is known; it has its own login")


async def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


SessionsDep = Annotated[Sessions, Depends(_sessions)]


@router.post("", response_model=SessionOut, dependencies=[Depends(json_only)])
def sign_in(
    body: SignIn,
    request: Request,
    response: Response,
    services: ServicesDep,
    sessions: SessionsDep,
) -> SessionOut:
    """Exchange a key for a cookie. Unauthorized when the key is not known."""
    owner, token = sessions.sign_in(body.key.strip())
    response.set_cookie(
        COOKIE, token, max_age=sessions.lifetime_s, path="/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return SessionOut(owner=owner[:12], flower=services.settings.flower_url)


@router.get("", response_model=SessionOut)
def look(request: Request, services: ServicesDep, sessions: SessionsDep) -> SessionOut:
    """Whose session the cookie names, if it names one."""
    owner = sessions.owner(request.cookies.get(COOKIE, ""))
    if owner is None:
        return SessionOut(owner=None, flower=None)
    return SessionOut(owner=owner[:12], flower=services.settings.flower_url)


@router.delete("", status_code=204)
def sign_out(request: Request, response: Response, sessions: SessionsDep) -> None:
    """End the session on the server, and take the cookie back."""
    sessions.sign_out(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
