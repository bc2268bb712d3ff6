"""Two tenants, every route of the OpenAPI document: a new route without a row here fails.

`ours` has one of everything. Whatever `theirs` asks for, nothing of it shows.
"""

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from core import keyring, keys
from core.bundle import Bundle
from core.corpora import CorpusBook, CorpusManifest, CorpusShard
from core.datasets.dataset import utcnow
from core.keyring import KeyRing
from core.mattes import MatteBook, MatteOutcome
from core.registry import Registry
from matteforge.schemas.corpora import CorpusKind, Split
from matteforge.schemas.keys import KeyIn, Scope
from service import middleware

RUN = {
    "domain": "ours-model", "labelled": ["ours-people"], "unlabelled": ["ours-people"],
    "preset": "tiny",
}  # fmt: skip
ARCHIVE = {"archive": ("photos.zip", b"PK", "application/zip")}
PICTURE = {"image": ("photo.png", b"picture", "image/png")}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one route does with what is another tenant's."""

    kind: str
    """own: 404 for others. list: what is others' is not in it. make: names nothing of others'.
    admin: for admins alone. open: holds nothing of any tenant. self: works on the asker's own."""
    send: dict[str, object] | None = None


OWN, LIST, ADMIN, OPEN = Row(kind="own"), Row(kind="list"), Row(kind="admin"), Row(kind="open")
SELF = Row(kind="self")
HOOK = "https://example.org/secret"
REASON = {"json": {"reason": "r"}}
PROMOTE = {"json": {"version": "champion", "reason": "r"}}
FOREVER = {"json": {"expires_at": None}}
DAILY = {"json": {"every_s": 86400, "run": RUN}}
MATTE = {"files": PICTURE, "data": {"model": "ours-model"}}
BATCH = {"files": ARCHIVE, "data": {"model": "ours-model"}}
MATRIX: dict[tuple[str, str], Row] = {
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): ADMIN,
    ("GET", "/v1/audit"): ADMIN,
    ("GET", "/v1/keys"): ADMIN,
    ("POST", "/v1/keys"): ADMIN,
    ("POST", "/v1/keys/{key_id}/rotate"): ADMIN,
    ("DELETE", "/v1/keys/{key_id}"): ADMIN,
    ("PATCH", "/v1/keys/{key_id}"): ADMIN,
    ("GET", "/v1/datasets"): LIST,
    ("POST", "/v1/datasets"): Row(kind="make", send={"json": {"count": 5, "model": "ours-model"}}),
    ("POST", "/v1/estimates"): Row(kind="make", send={"json": {"count": 5, "model": "ours-model"}}),
    ("GET", "/v1/datasets/{dataset_id}"): OWN,
    ("DELETE", "/v1/datasets/{dataset_id}"): OWN,
    ("PUT", "/v1/datasets/{dataset_id}/expiry"): Row(kind="own", send=FOREVER),
    ("POST", "/v1/datasets/{dataset_id}/cancel"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/manifest"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/events"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/shards"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/shards/{name}"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/samples"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/samples/{key}/{member}"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/preview.webp"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/files"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/rejected"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/rejected/{name}.webp"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/files/{name}"): OWN,
    ("POST", "/v1/datasets/{dataset_id}/subsets"): Row(kind="own", send={"json": {"limit": 2}}),
    ("POST", "/v1/datasets/{dataset_id}/extend"): Row(kind="own", send={"json": {"count": 2}}),
    ("POST", "/v1/datasets/{dataset_id}/regenerate"): OWN,
    ("GET", "/v1/datasets/{dataset_id}/comparison"): OWN,
    ("GET", "/v1/webhooks/deliveries"): LIST,
    ("GET", "/v1/webhooks/deliveries/{delivery_id}"): OWN,
    ("POST", "/v1/webhooks/deliveries/{delivery_id}/replay"): OWN,
    ("GET", "/v1/webhooks/secret"): SELF,
    ("POST", "/v1/webhooks/secret"): SELF,
    ("POST", "/v1/webhooks/test"): Row(kind="make", send={"json": {"url": HOOK}}),
    ("GET", "/v1/models"): LIST,
    ("GET", "/v1/models/{name}"): OWN,
    ("POST", "/v1/models/{name}/promote"): Row(kind="own", send=PROMOTE),
    ("POST", "/v1/models/{name}/rollback"): Row(kind="own", send=REASON),
    ("GET", "/v1/models/{name}/history"): OWN,
    ("GET", "/v1/models/{name}/versions/{version}"): OWN,
    ("GET", "/v1/corpora"): LIST,
    ("GET", "/v1/corpora/{name}"): OWN,
    ("GET", "/v1/training-runs"): LIST,
    ("POST", "/v1/training-runs"): Row(kind="make", send={"json": RUN}),
    ("GET", "/v1/training-runs/{run_id}"): OWN,
    ("POST", "/v1/training-runs/{run_id}/cancel"): OWN,
    ("GET", "/v1/training-runs/{run_id}/curves"): OWN,
    ("GET", "/v1/training-runs/{run_id}/events"): OWN,
    ("GET", "/v1/training-schedules"): LIST,
    ("GET", "/v1/training-schedules/{name}"): OWN,
    ("PUT", "/v1/training-schedules/{name}"): Row(kind="make", send=DAILY),
    ("DELETE", "/v1/training-schedules/{name}"): OWN,
    ("POST", "/v1/mattes"): Row(kind="make", send=MATTE),
    ("GET", "/v1/matte-batches"): LIST,
    ("POST", "/v1/matte-batches"): Row(kind="make", send=BATCH),
    ("GET", "/v1/matte-batches/{batch_id}"): OWN,
    ("DELETE", "/v1/matte-batches/{batch_id}"): OWN,
    ("GET", "/v1/matte-batches/{batch_id}/events"): OWN,
    ("GET", "/v1/matte-batches/{batch_id}/pictures"): OWN,
    ("GET", "/v1/matte-batches/{batch_id}/result"): OWN,
    ("POST", "/v1/matte-batches/{batch_id}/cancel"): OWN,
    ("GET", "/v1/mattes/{matte_id}"): OWN,
    ("GET", "/v1/mattes/{matte_id}/result"): OWN,
}
EVERYBODYS = {"champion", "image", "000000.tar", "00000000000", "000000-12", "preview.webp"}
HIDDEN = {
    "/", "/console/{name}", "/session", "/docs", "/docs/oauth2-redirect", "/openapi.json",
    "/flower", "/flower/{path:path}",
}  # fmt: skip
"""Routes that are not in the document: console, sign-in, reference; Flower, for admins alone."""


@dataclass(kw_only=True)
class Tenants:
    """One API, keys of two tenants and of an admin, and what is `ours`."""

    clients: dict[str, TestClient]
    ids: dict[str, str]
    """By the name of the path's parameter, for paths that begin as said, else for all."""

    def path(self, template: str) -> str:
        def value(match: re.Match[str]) -> str:
            known = [key for key in self.ids if template.startswith(key.partition(" ")[0])]
            return self.ids[max([*known, match[1]], key=lambda k: (k.endswith(match[1]), len(k)))]

        return re.sub(r"\{(\w+)\}", value, template)

    def send(self, who: str, method: str, template: str) -> httpx.Response:
        row = MATRIX[method, template]
        return self.clients[who].request(
            method, self.path(template), **(row.send or {}), follow_redirects=False
        )


def make_keys(world: Any) -> dict[str, str]:
    """Secret keys of both tenants and of an admin."""
    made = {"admin": KeyIn(name="admin", tenant="house-keepers", scopes=[Scope.ADMIN])}
    for tenant in ("ours", "theirs"):
        scopes = [Scope.READ, Scope.ORDER, Scope.TRAIN]
        made[tenant] = KeyIn(name=tenant, tenant=tenant, scopes=scopes)
    return {who: KeyRing(world.store).create(wanted)[1] for who, wanted in made.items()}


def client_of(world: Any, secret: str) -> TestClient:
    return TestClient(world.http.app, headers={"Authorization": f"Bearer {secret}"})


def behind(world: Any) -> dict[str, dict[str, Any]]:
    """A copy of what the memory adapters hold."""
    kept: dict[str, dict[str, Any]] = {}
    for port in ("store", "live", "doorbell"):
        held = {k: copy.copy(v) for k, v in vars(getattr(world, port)).items() if k != "_lock"}
        kept[port] = copy.deepcopy(held)  # the audit trail is still being written
    return kept


@pytest.fixture(scope="module")
def furnished() -> dict[str, Any]:
    """Keys, ids and what lies behind the API, as the module's first test made it for all."""
    return {}


@pytest.fixture
def tenants(
    world: Any, furnished: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Tenants:
    monkeypatch.setattr(keyring, "FRESH_S", 0.0)
    monkeypatch.setattr(middleware, "KEY_FRESH_S", 0.0)
    if not furnished:
        secrets = make_keys(world)
        ids = furnish(world, client_of(world, secrets["ours"]), tmp_path)
        furnished.update(secrets=secrets, ids=ids, behind=behind(world))
    for port, fields in copy.deepcopy(furnished["behind"]).items():
        vars(getattr(world, port)).update(fields)
    clients = {who: client_of(world, secret) for who, secret in furnished["secrets"].items()}
    return Tenants(clients=clients, ids=furnished["ids"])


def furnish(world, ours: TestClient, folder: Path) -> dict[str, str]:
    """One of everything, of the tenant `ours`; returns the ids."""
    publish_for(world, folder, "ours-model", "ours")
    CorpusBook(world.store).grow(corpus_of("ours-people", "ours"))
    order = {"count": 30, "shard_size": 10, "labels": {"secret": "ours"}, "model": "ours-model"}
    dataset = ours.post("/v1/datasets", json=order).json()["id"]
    world.commit(dataset, 0)
    for name in ("preview.webp", "rejected.json"):
        world.store.put(keys.companion(dataset, name), b"{}")
    run = ours.post("/v1/training-runs", json=RUN).json()["id"]
    schedule = ours.put("/v1/training-schedules/ours-model", **DAILY)
    assert schedule.status_code == 200, schedule.text
    matte = ours.post("/v1/mattes", files=PICTURE).json()["id"]
    MatteBook(world.store).end(matte, MatteOutcome(width=1, height=1, side=1), b"PNG")
    batch = ours.post("/v1/matte-batches", files=ARCHIVE).json()["id"]
    assert ours.post("/v1/webhooks/secret").status_code == 201
    delivery = ours.post("/v1/webhooks/test", json={"url": HOOK}).json()["id"]
    key = ours.headers["Authorization"].removeprefix("Bearer ")
    return {
        "dataset_id": dataset,
        "run_id": run,
        "matte_id": matte,
        "batch_id": batch,
        "delivery_id": delivery,
        "/v1/datasets/{dataset_id}/files name": "preview.webp",
        "key_id": hashlib.sha256(key.encode()).hexdigest()[:12],
        "version": "champion",
        "key": "00000000000",
        "member": "image",
        "/v1/datasets/{dataset_id}/shards name": "000000.tar",
        "/v1/datasets/{dataset_id}/rejected name": "000000-12",
        "/v1/models name": "ours-model",
        "/v1/corpora name": "ours-people",
        "/v1/training-schedules name": "ours-model",
    }


def publish_for(world, folder: Path, name: str, tenant: str | None) -> None:
    weights = name.encode()
    (folder / "generator.safetensors").write_bytes(weights)
    bundle = Bundle(
        name=name,
        files={"generator.safetensors": hashlib.sha256(weights).hexdigest()},
        thresholds={"mad": 0.03},
        resolution=64,
    )
    (folder / "bundle.json").write_bytes(bundle.to_bytes())
    Registry(world.store).publish(folder, tenant=tenant)


def corpus_of(name: str, tenant: str) -> CorpusManifest:
    shards = [
        CorpusShard(name=f"{s}-x.tar", split=s, samples=5, size_bytes=1, sha256=f"{s}{name}")
        for s in Split
    ]
    return CorpusManifest(
        name=name, tenant=tenant, kind=CorpusKind.PAIRS, licence="CC0-1.0", sources=["f"],
        updated_at=utcnow(), shards=shards,
    )  # fmt: skip


def routes(http: TestClient) -> Iterator[tuple[str, str]]:
    for path, item in http.app.openapi()["paths"].items():
        for method in item:
            yield method.upper(), path


def test_every_route_has_a_row_and_every_row_a_route(world):
    assert set(routes(world.http)) == set(MATRIX)
    documented = {path for _, path in MATRIX}
    served = {route.path for route in world.http.app.routes if hasattr(route, "methods")}
    assert {path for path in served - documented if not path.startswith("/docs/files")} <= HIDDEN


def but_the_audit(world) -> dict[str, object]:
    """What is stored; lines of the audit trail are written in the background."""
    return {k: v for k, v in world.store._objects.items() if not k.startswith("audit/")}


@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_nothing_of_another_tenant_shows(world, tenants, method, path):
    row = MATRIX[method, path]
    before = but_the_audit(world)
    theirs = tenants.send("theirs", method, path)
    own = set(tenants.ids.values()) - EVERYBODYS
    if row.kind == "own":
        assert theirs.status_code == 404, theirs.text
    elif row.kind == "make":
        assert theirs.status_code in (409, 422), theirs.text  # 409: the name is taken
        sent = json.dumps(row.send, default=str)
        assert [name for name in own if name in theirs.text and name not in sent] == []
    elif row.kind == "list":
        assert theirs.status_code == 200
        assert [name for name in own if name in theirs.text] == []
        assert "secret" not in theirs.text
    elif row.kind == "admin":
        assert theirs.status_code == 403
    elif row.kind == "self":
        assert [name for name in own if name in theirs.text] == []
        assert before.items() <= world.store._objects.items()  # what is new is theirs
        return
    assert but_the_audit(world) == before


@pytest.mark.parametrize("who", ["ours", "admin"])
@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_its_own_tenant_and_admins_get_it(world, tenants, who, method, path):
    row = MATRIX[method, path]
    if row.kind == "open" or "/events" in path:  # a stream of what has not ended
        return
    if row.kind == "admin" and who == "ours":
        assert tenants.send(who, method, path).status_code == 403
        return
    if who == "admin" and path in ("/v1/training-runs",) and method == "POST":
        return  # a run works for its key's tenant, with that one's corpora
    answer = tenants.send(who, method, path)
    assert answer.status_code not in (401, 403), answer.text
    if row.kind == "self" and who == "admin":
        return
    if answer.status_code == 404:  # the dataset is there, this sample or picture of it is not
        assert path.startswith("/v1/datasets/{dataset_id}/")
        assert "there is no dataset" not in answer.text
    if row.kind == "list":
        assert any(name in answer.text for name in tenants.ids.values() if len(name) > 7)


def test_the_houses_are_read_by_all_and_changed_by_its_keys_and_admins(world, tenants, tmp_path):
    CorpusBook(world.store).grow(corpus_of("people", "default"))
    theirs, admin = tenants.clients["theirs"], tenants.clients["admin"]
    assert theirs.get("/v1/models/humans").json()["tenant"] == "default"
    assert theirs.get("/v1/corpora/people").status_code == 200
    assert [one["name"] for one in theirs.get("/v1/models").json()["items"]] == ["humans"]
    assert theirs.post("/v1/datasets", json={"count": 5}).status_code == 202
    promote = {"version": "champion", "reason": "r"}
    refused = theirs.post("/v1/models/humans/promote", json=promote)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert theirs.post("/v1/models/humans/rollback", json={"reason": "r"}).status_code == 403
    assert admin.post("/v1/models/humans/promote", json=promote).status_code == 200
    run = {**RUN, "labelled": ["people"], "unlabelled": ["people"]}
    refused = theirs.post("/v1/training-runs", json={**run, "domain": "humans"})
    assert refused.status_code == 422
    assert "under a name of your own" in refused.json()["detail"]
    assert theirs.post("/v1/training-runs", json={**run, "domain": "mine"}).status_code == 202


def test_what_is_older_than_tenants_is_the_houses(world, tenants):
    """Records as an earlier version wrote them: without a tenant."""
    for key in (keys.aliases("humans"), keys.corpus_manifest("old")):
        if key == keys.corpus_manifest("old"):
            CorpusBook(world.store).grow(corpus_of("old", "default"))
        record = json.loads(world.store.get(key)[0])
        del record["tenant"]
        world.store.put(key, json.dumps(record).encode())
    theirs = tenants.clients["theirs"]
    assert theirs.get("/v1/models/humans").status_code == 200
    assert theirs.get("/v1/corpora/old").status_code == 200
    assert theirs.post("/v1/models/humans/rollback", json={"reason": "r"}).status_code == 403
    Registry(world.store).move_alias("humans", "x", "sha256:" + "0" * 64, reason="r")
    assert Registry(world.store).aliases("humans").tenant == "default"


def test_a_name_that_is_taken_is_not_given_to_another_tenant(world, tenants, tmp_path):
    from core.errors import StateConflict

    with pytest.raises(StateConflict, match="another tenant's"):
        publish_for(world, tmp_path, "ours-model", "theirs")
    with pytest.raises(StateConflict, match="taken by another tenant"):
        CorpusBook(world.store).grow(corpus_of("ours-people", "theirs"))


def test_an_admin_who_changes_a_schedule_leaves_it_its_tenants(world, tenants):
    admin, ours = tenants.clients["admin"], tenants.clients["ours"]
    body = {"every_s": 172800, "run": RUN}
    changed = admin.put("/v1/training-schedules/ours-model", json=body)
    assert changed.status_code == 200, changed.text
    assert ours.get("/v1/training-schedules/ours-model").json()["every_s"] == 172800


def test_counts_and_labels_of_others_can_not_be_found_by_filters(tenants):
    for query in ("label=secret=ours", "state=queued", "source=generated", "limit=1"):
        listed = tenants.clients["theirs"].get(f"/v1/datasets?{query}").json()
        assert listed["items"] == []


def test_a_cursor_of_another_tenants_page_shows_nothing(tenants):
    ours, theirs = tenants.clients["ours"], tenants.clients["theirs"]
    ours.post("/v1/datasets", json={"count": 5})
    cursor = ours.get("/v1/datasets?limit=1").json()["next_cursor"]
    assert cursor
    assert theirs.get(f"/v1/datasets?cursor={cursor}").json()["items"] == []
    run = tenants.ids["run_id"]
    assert theirs.get(f"/v1/training-runs?cursor={run}").status_code == 400


def test_a_run_starts_from_no_other_tenants_model(world, tenants):
    CorpusBook(world.store).grow(corpus_of("people", "default"))
    run = {**RUN, "domain": "mine", "labelled": ["people"], "unlabelled": ["people"]}
    send = {**run, "start_from": "ours-model"}
    refused = tenants.clients["theirs"].post("/v1/training-runs", json=send)
    assert refused.status_code == 422
    assert "there is no model 'ours-model'; known: humans" in refused.json()["detail"]
