"""Every command that may take longer than two seconds shows how far it is."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from matteforge.cli.main import main

BARS = {"Steps", "working", "Progress", "watch", "watch_batch", "with_bar", "fetch_results"}
LINES = {"echo", "info"}
SHOWN = {  # where each command that may take long asks for a bar
    "order": "matteforge.cli.datasets:tell_ordered",
    "status": "matteforge.cli.datasets:status",
    "show": "matteforge.cli.datasets:status",
    "download": "matteforge.cli.download:_fetch matteforge.cli.download:download",
    "samples": "matteforge.cli.browse:samples",
    "subset": "matteforge.cli.datasets:tell_ordered",
    "extend": "matteforge.cli.datasets:tell_ordered",
    "regenerate": "matteforge.cli.derived:regenerate",
    "rejected": "matteforge.cli.browse:_save_rejected",
    "matte": "matteforge.cli.matte:Jobs matteforge.cli.matte_batch:send_batch",
    "matte-batches order": "matteforge.cli.matte_batches:order",
    "matte-batches status": "matteforge.cli.matte_batches:status",
    "matte-batches fetch": "matteforge.cli.matte_batches:fetch",
    "models bundle": "workers.commands.models:bundle",
    "models calibrate": "workers.commands.measures:calibrate",
    "models export": "workers.commands.weights:export workers.commands.weights:_fetched",
    "models import": "workers.commands.weights:import_ workers.commands.weights:_register",
    "models publish": "workers.commands.models:publish",
    "corpora add": "workers.commands.corpora:add_and_tell workers.commands.dry_run:tell",
    "corpora delete": "workers.commands.corpora:delete",
    "training start": "matteforge.cli.training:_watch",
    "training status": "matteforge.cli.training:_watch",
    "evaluate": "workers.commands.measures:evaluate workers.commands.measures:_sources",
    "render": "models.renderer.cli:_fill",
    "train matting": "models.training.matting.train:main models.training.matting.train:_people",
    "train gan": "models.training.gan.adversarial:shown models.training.gan.adversarial:_corpus "
    "models.training.gan.transfer:fit_new_layers",
    "sample": "workers.commands.sample:_Sampler",
    "bench": "workers.bench.cli:_rows",
    "recover": "workers.commands.models:recover",
    "gc": "workers.commands.gc:gc",
    "fsck": "workers.commands.fsck:fsck",
}
TOLD = {  # those that tell line by line how far they are
    "demo": "deploy.demo:_order",
    "cycle": "workers.cycle.job:Job",
}
SERVING = {"up", "serve"}  # until they are stopped
QUICK = {  # one request, or a handful of small objects
    "list", "preview", "delete", "expire", "cancel", "audit",
    "matte-batches list", "matte-batches cancel", "matte-batches delete",
    "models list", "models promote", "models rollback", "models history",
    "corpora list", "corpora show", "training list", "training cancel", "training curves",
    "schedules set", "schedules list", "schedules delete",
    "webhooks secret", "webhooks test", "webhooks list", "webhooks replay", "webhooks verify",
    "keys create", "keys limit", "keys list", "keys revoke", "keys rotate", "keys scopes",
}  # fmt: skip


def commands(group: click.Group, context: click.Context, path: str = "") -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, click.Context(command), f"{path}{name} ")
        else:
            yield f"{path}{name}"


def called(place: str) -> set[str]:
    """Names of what the code at MODULE:NAME calls."""
    module, _, name = place.partition(":")
    found = getattr(import_module(module), name)
    found = getattr(found, "callback", found)
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(found))))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {getattr(call, "id", getattr(call, "attr", "")) for call in calls}


def test_every_command_is_known_to_be_quick_or_to_show_how_far_it_is():
    known = [*SHOWN, *TOLD, *SERVING, *QUICK]
    assert len(known) == len(set(known))
    new = set(commands(main, click.Context(main))) ^ set(known)
    assert not new, "say in SHOWN or QUICK how long it takes"


@pytest.mark.parametrize(("places", "names"), [
    *[(places, BARS) for places in SHOWN.values()], *[(place, LINES) for place in TOLD.values()],
])  # fmt: skip
def test_what_may_take_long_asks_for_a_bar(places, names):
    for place in places.split():
        assert called(place) & names, f"{place} shows nothing"
