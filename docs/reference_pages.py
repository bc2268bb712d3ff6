"""Writes the reference pages that follow from the code: REST (OpenAPI), CLI (click), settings.

A hook of mkdocs; `make docs` runs it. The pages are built, not kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

REFERENCE = Path(__file__).parent / "reference"
METHODS = ("get", "post", "put", "delete")


def on_pre_build(config: Any) -> None:
    """Called by mkdocs before it reads the pages."""
    pages = {"rest.md": rest_lines(), "cli.md": cli_lines(), "settings.md": settings_lines()}
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        page = REFERENCE / name
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def rest_lines() -> Iterator[str]:
    """Every route with its parameters and answers, from the service's own OpenAPI document."""
    from core.adapters.memory import MemoryLiveView
    from core.adapters.memory_doorbell import MemoryDoorbell
    from core.adapters.memory_store import MemoryStore
    from core.settings import Settings
    from service.app import create_app

    app = create_app(
        Settings(), store=MemoryStore(), live=MemoryLiveView(), doorbell=MemoryDoorbell()
    )
    document = app.openapi()
    yield "# REST\n"
    yield (
        "Made from the service's OpenAPI document, which a running service shows at `/docs` and "
        "`/openapi.json`. Send `Authorization: Bearer KEY`. Errors are "
        "`application/problem+json` (RFC 9457) with a stable `code`.\n"
    )
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield from _operation(path, method, item[method])


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {method.upper()} `{path}`\n"
    yield f"{operation.get('description') or operation.get('summary', '')}\n"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "| parameter | in | meaning |\n|---|---|---|"
        for one in parameters:
            meaning = one.get("description") or one["schema"].get("description", "")
            yield f"| `{one['name']}` | {one['in']} | {_cell(meaning)} |"
        yield ""
    answers = operation["responses"]
    yield "Answers: " + "; ".join(
        f"{code} {_cell(answer['description'])}" for code, answer in sorted(answers.items())
    )
    yield ""


def cli_lines() -> Iterator[str]:
    """The help of every command."""
    from matteforge.cli.main import main

    yield "# Command line\n"
    yield "What `matteforge COMMAND --help` prints.\n"
    yield from _command(main, click.Context(main, info_name="matteforge"), "##")


def _command(command: click.Command, context: click.Context, level: str) -> Iterator[str]:
    yield f"{level} {context.command_path}\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            inner = click.Context(found, info_name=name, parent=context)
            yield from _command(found, inner, "##")


def settings_lines() -> Iterator[str]:
    """Every environment variable."""
    from core.settings import Settings

    yield "# Settings\n"
    yield (
        "Environment variables of the service and the workers. "
        "`matteforge up` sets those that it needs.\n"
    )
    yield "| variable | default | meaning |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        shown = "" if shown in (None, "") else f"`{shown}`"
        yield f"| `MATTEFORGE_{name.upper()}` | {shown} | {_cell(field.description or '')} |"


def _cell(text: str) -> str:
    """Text that fits into a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")
