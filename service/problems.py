"""Errors on the wire: every core error code as an RFC 9457 problem, here and nowhere else."""

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from core import errors
from matteforge.schemas.problems import FieldError, Problem

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
PREFIX = "Value error, "  # pydantic's, before words of ours

log = logging.getLogger(__name__)

# Errors that only workers meet answer 500: seeing one here is a fault of ours.
STATUS: Mapping[type[errors.MatteForgeError], int] = {
    errors.RequestError: 400,
    errors.InvalidSpec: 422,
    errors.InvalidCursor: 400,
    errors.InvalidQuery: 400,
    errors.PictureRejected: 422,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.StateConflict: 409,
    errors.IdempotencyMismatch: 422,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
    errors.StorageFull: 409,
    errors.StoreUnavailable: 503,
    errors.ClockSkewed: 503,
    errors.LiveViewUnavailable: 503,
    errors.LeaseLost: 503,
    errors.RendererFailed: 500,
    errors.DeviceLost: 500,
    errors.CheckpointRejected: 500,
    errors.CorpusRejected: 500,
    errors.TrainingDiverged: 500,
    errors.ShardCorrupt: 500,
    errors.RecordCorrupt: 500,
    errors.StoreRefused: 500,
    errors.StoreUnfit: 500,
    errors.SourceUnavailable: 422,
    errors.BudgetExhausted: 500,
    errors.PreconditionFailed: 409,
    errors.Cancelled: 409,
}
# What the protocol itself refuses, before any core error can arise.
HTTP_CODES = {
    400: errors.RequestError.code,
    404: errors.NotFound.code,
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    title: str | None = None,
    field_errors: Sequence[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response for one problem; 401 and 503 get the headers that belong to them."""
    problem = Problem(
        type=f"urn:matteforge:problem:{code}",
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        errors=list(field_errors) if field_errors else None,
    )
    sent = dict(headers or {})
    if status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    if status == 503:
        sent["Retry-After"] = str(RETRY_AFTER_S)
    # ASCII escapes: what a caller sent may hold lone surrogates, which UTF-8 can't carry.
    body = json.dumps(problem.model_dump(exclude_none=True), ensure_ascii=True).encode()
    return Response(body, status, headers=sent, media_type=MEDIA_TYPE)


def error_response(error: errors.MatteForgeError) -> Response:
    """The response for a core error. One that is not in STATUS answers 500."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if status == 500:
        log.error("request failed", exc_info=error)
    retry_after_s = getattr(error, "retry_after_s", None)
    headers = {"Retry-After": str(math.ceil(retry_after_s))} if retry_after_s is not None else {}
    title = (type(error).__doc__ or "").strip()
    return problem_response(status, error.code, error.detail, title=title, headers=headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route in OpenAPI: its problems, and those that every route may
    answer."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    every = sorted({401, 403, 422, 429, 503, *statuses})
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content} for status in every
    }


def located(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` entry of a success that carries a Location header."""
    return {
        status: {
            "description": description,
            "headers": {"Location": {"schema": {"type": "string"}}},
        }
    }


def install(app: FastAPI) -> None:
    """Make every failure of the application a problem."""
    app.add_exception_handler(errors.MatteForgeError, _core_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def _core_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.MatteForgeError)
    return error_response(error)


def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem_response(400, "invalid_json", "the body is not valid JSON")
    fields = [
        FieldError(pointer=_pointer(item["loc"]), detail=str(item["msg"]).removeprefix(PREFIX))
        for item in found[:20]
    ]
    detail = "; ".join(f"{field.pointer or 'body'}: {field.detail}" for field in fields[:3])
    kind = errors.InvalidSpec if found[0]["loc"][0] == "body" else errors.RequestError
    return problem_response(
        422, kind.code, detail, title=(kind.__doc__ or "").strip(), field_errors=fields
    )


def _pointer(location: Iterable[int | str]) -> str:
    source, *path = (str(part)[:100] for part in location)
    return "".join(f"/{part}" for part in path) if source == "body" else ".".join(path)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTP_CODES.get(
        error.status_code, "internal" if error.status_code >= 500 else errors.RequestError.code
    )
    headers = {"Allow": _methods_at(request)} if error.status_code == 405 else error.headers
    return problem_response(error.status_code, code, str(error.detail), headers=headers)


def _methods_at(request: Request) -> str:
    """What may be sent to the address; Starlette's 405 names the methods of one route of it."""
    routes: list[BaseRoute] = request.app.routes
    asked = ((method, {**request.scope, "method": method}) for method in METHODS)
    return ", ".join(
        method
        for method, scope in asked
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    )


def _unexpected(request: Request, error: Exception) -> Response:
    """The server logs the trace; the caller gets none."""
    return problem_response(500, "internal", "something went wrong here; it was logged")
