"""The web console: static files from service/console, which talk to the API as any client does."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from core.settings import Settings

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class StaticFile:
    """One file as it is sent."""

    body: bytes
    media_type: str
    etag: str


def static_files(prefix: str) -> dict[str, StaticFile]:
    """Every file of the console by its name, read once. The page names its files below `prefix`;
    scripts find one another, and the API, from where they lie themselves."""
    found = {}
    for path in files("service.console").iterdir():
        suffix = path.name.rpartition(".")[2]
        if suffix in MEDIA_TYPES:
            body = path.read_bytes()
            if suffix == "html":
                body = body.replace(b'="/', f'="{prefix}/'.encode())
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            found[path.name] = StaticFile(body, MEDIA_TYPES[suffix], etag)
    return found


def policy(settings: Settings) -> str:
    """The Content-Security-Policy: nothing from elsewhere but pictures from the object store."""
    store = urlsplit(settings.s3_public_endpoint or settings.s3_endpoint)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' blob: data: {store.scheme}://{store.netloc}; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )


def router(settings: Settings) -> APIRouter:
    """The page at / and its files below /console/."""
    routes, known = APIRouter(include_in_schema=False), static_files(settings.root_path.rstrip("/"))
    common = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy(settings),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }

    def send(name: str, request: Request) -> Response:
        if (file := known.get(name)) is None:
            raise HTTPException(404, f"the console has no file {name[:100]!r}")
        headers = {**common, "ETag": file.etag}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)

    @routes.get("/")
    async def page(request: Request) -> Response:
        return send("index.html", request)

    @routes.get("/console/{name}")
    async def file(name: str, request: Request) -> Response:
        return send(name, request)

    return routes
