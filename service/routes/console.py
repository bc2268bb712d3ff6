"""The web console: one static page at /, which asks for the key and talks to the API like any other
client."""

from importlib.resources import files

from fastapi import APIRouter, Response

PAGE = files("service.console").joinpath("index.html").read_bytes()
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/")
def console() -> Response:
    return Response(
        PAGE, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY}
    )
