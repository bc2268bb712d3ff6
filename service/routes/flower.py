"""/flower/: Flower behind the console's session. For admins, to look: what changes workers or tasks
is refused here, and done at Flower's own port.

Flower runs with the prefix /flower (deploy/serve.py) and keeps its own login, which only this
proxy knows.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.errors import Forbidden, NotFound, TransientError
from core.settings import Settings
from service.dependencies import ServicesDep
from service.problems import error_response, problem_response
from service.sessions import READ_BY_POST

router = APIRouter(include_in_schema=False)

PREFIX = "/flower"
TIMEOUT_S = 8.0
FORWARDED = ("accept", "accept-language", "content-type", "x-requested-with")
# No ETag: an answer 304 has no page whose script could be hashed, and would bring a policy that
# forbids it.
RETURNED = ("content-type", "cache-control")
INLINE = re.compile(rb"<script[^>]*>(\s*var autorefresh = \w+;\s*)</script>")


def flower_policy(page: bytes) -> str:
    """A Content-Security-Policy for one of Flower's pages: its own files, and the one line of
    script that it writes into a page, by its hash."""
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(line).digest()).decode()}'"
        for line in INLINE.findall(page)
    )
    return (
        f"default-src 'none'; script-src 'self'{hashes}; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


@router.get(PREFIX, status_code=307, response_class=RedirectResponse)
async def to_first_page() -> str:
    """Flower itself answers 404 without the slash."""
    return f"{PREFIX}/"


@router.api_route(PREFIX + "/{path:path}", methods=["GET", "HEAD", "POST"])
async def pass_on(request: Request, services: ServicesDep) -> Response:
    """What Flower answers."""
    settings = services.settings
    if settings.flower_url is None or settings.flower_login is None:
        return error_response(NotFound("Flower is not shown here: MATTEFORGE_FLOWER_LOGIN"))
    if request.method == "POST" and request.url.path not in READ_BY_POST:
        return error_response(
            Forbidden("Flower is here to be looked at; change workers and tasks at its own port")
        )
    headers = {name: value for name, value in request.headers.items() if name in FORWARDED}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
            answer = await http.request(
                request.method,
                _target(settings, request),
                headers=headers,
                content=await request.body(),
                auth=_login(settings),
            )
    except httpx.TransportError:
        return problem_response(503, TransientError.code, "Flower does not answer; is it running?")
    return Response(answer.content, answer.status_code, _returned(answer, settings))


def _target(settings: Settings, request: Request) -> httpx.URL:
    """The path and query that the browser asked for, on Flower's own host."""
    assert settings.flower_url is not None
    path = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope["query_string"]
    path = settings.root_path.rstrip("/").encode() + path
    return httpx.URL(settings.flower_url).copy_with(
        raw_path=path + (b"?" + query if query else b"")
    )


def _login(settings: Settings) -> tuple[str, str]:
    assert settings.flower_login is not None
    user, _, password = settings.flower_login.get_secret_value().partition(":")
    return user, password


def _returned(answer: httpx.Response, settings: Settings) -> Mapping[str, str]:
    """Flower's headers that the browser may see; a Location as this service's own are."""
    headers = {name: value for name, value in answer.headers.items() if name in RETURNED}
    if location := answer.headers.get("location"):
        parts = urlsplit(location)
        if parts.netloc in ("", urlsplit(settings.flower_url or "").netloc):
            path = parts.path.removeprefix(settings.root_path.rstrip("/"))
            headers["location"] = parts._replace(scheme="", netloc="", path=path).geturl()
    return headers | {
        "content-security-policy": flower_policy(answer.content),
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }
