"""The description of the API at /openapi.json."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from matteforge.schemas.problems import Problem


def describe_api(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description, with the schema that every problem response refers to."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
        _without_item_schemas(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _without_item_schemas(schema: dict[str, Any]) -> None:
    """FastAPI describes the events of a stream in a word of OpenAPI 3.2, which readers of the 3.1
    that it states refuse."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("200", {}).get("content", {})
            content.get("text/event-stream", {}).pop("itemSchema", None)
