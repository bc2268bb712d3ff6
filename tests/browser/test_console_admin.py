"""The console's further pages: keys, Flower, batches, rejected examples, losses, presets."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Response, expect
from standardwebhooks import Webhook

from core import keys
from core.datasets.dataset import utcnow
from core.training.run import RunEnd, TrainingRecord
from core.training.runs import TrainingRuns
from deploy.local.stack import Stack
from matteforge.schemas.training import RunState, TrainingSpec

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
FIRST_SHARD_S = 240
expect.set_options(timeout=30_000)


@pytest.fixture
def admin(person: Callable[..., AbstractContextManager[Any]], stack: Stack) -> Iterator[Any]:
    """Somebody who has signed in with the stack's own key."""
    with person("admin") as somebody:
        somebody.sign_in(stack.api_key)
        somebody.page.get_by_role("heading", name="Datasets", exact=True).wait_for()
        yield somebody


def test_a_key_is_made_shown_once_rotated_and_revoked(admin, stack):
    page = admin.page
    admin.go("keys", "Keys")
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page.get_by_text("is needed")).to_be_visible()
    page.get_by_label("Name").fill("robot")
    page.get_by_label("Tenant").fill("Robots!")
    expect(page.locator("[data-field=tenant] .field-error")).to_contain_text("does not fit")
    page.get_by_label("Tenant").fill("robots")
    page.get_by_label("Expires at").fill("2001-01-01T00:00")
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page.locator(".notice")).to_contain_text("expires_at is over")
    page.get_by_role("button", name=re.compile("^Dismiss")).click()
    page.get_by_label("Expires at").fill("2099-01-01T00:00")
    page.get_by_text("More (limits)").click()
    page.get_by_label("samples_per_day").fill("500")
    page.get_by_role("button", name="Make", exact=True).click()
    secret = page.get_by_label("The secret").inner_text()
    admin.look("keys")
    row = page.locator("tr", has_text="robots")
    expect(row).to_contain_text("samples per day 500")
    expect(row).to_contain_text("2099")
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_text(secret)).to_have_count(0)

    def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.get(f"{stack.url}/v1/datasets", headers=headers).status_code

    assert status(secret) == 200
    row.get_by_role("button", name="Rotate").click()
    page.get_by_label("Type rotate to confirm").fill("rotate")
    page.get_by_role("button", name="Rotate the key").click()
    rotated = page.get_by_label("The secret").inner_text()
    page.wait_for_timeout(1100)  # within a second everywhere
    assert (status(secret), status(rotated)) == (401, 200)
    row.get_by_role("button", name="Revoke").click()
    label = page.get_by_label(re.compile("^Type [0-9a-f]{12} to confirm"))
    label.fill(row.locator("code").inner_text())
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_text("robot was revoked.")).to_be_visible()
    expect(row).to_have_count(0)
    page.wait_for_timeout(1100)
    assert status(rotated) == 401


def test_a_webhook_s_secret_deliveries_and_replay(admin, receiver):
    page, (url, seen) = admin.page, receiver
    admin.go("webhooks", "Webhooks")
    page.get_by_role("button", name=re.compile("^Make (the secret|a new one)")).click()
    confirm = page.get_by_label("Type renew to confirm")
    if confirm.count():
        confirm.fill("renew")
        page.get_by_role("button", name="Make a new secret").click()
    secret = page.get_by_label("The secret").inner_text()
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.get_by_label("Url").fill("nowhere")
    expect(page.locator("[data-field=url] .field-error")).to_contain_text("does not fit")
    page.get_by_label("Url").fill(url)
    page.get_by_role("button", name="Send", exact=True).click()
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("503")
    expect(row.locator(".badge")).to_have_text("delivered")
    row.get_by_text("Look").click()
    expect(row).to_contain_text(url)
    admin.look("webhooks")
    row.get_by_role("button", name="Send again").click()
    expect(row).to_contain_text("204 (3 tries)")
    assert len(seen) == 3
    assert Webhook(secret).verify(seen[2][1], seen[2][0])["type"] == "ping"


def test_who_is_no_admin_sees_no_keys(person, stack, client):
    from matteforge.schemas.keys import KeyIn

    made = client.create_key(KeyIn(name="looks", scopes=["read"]))
    with person("reader") as somebody:
        somebody.sign_in(made.key)
        somebody.page.get_by_role("heading", name="Datasets", exact=True).wait_for()
        links = somebody.page.get_by_role("banner").get_by_role("link").all_inner_texts()
        assert {"Datasets", "Order", "Reference"} <= set(links)
        assert not {"Keys", "Metrics", "Flower"} & set(links)
    client.revoke_key(made.id)


def test_flower_opens_without_another_login(admin, client):
    client.wait(client.order(1).id, timeout_s=FIRST_SHARD_S)
    with admin.page.context.expect_page() as opened:
        admin.page.get_by_role("link", name="Flower").click()
    flower = opened.value
    flower.on("console", admin.note)
    for path, text in (("workers", "control@"), ("tasks", "matteforge.run"), ("broker", "matte")):
        flower.goto(f"{admin.url}/flower/{path}")
        expect(flower.locator("main")).to_contain_text(text)
    flower.screenshot(path="browser-output/admin-flower.png")


def is_ordered(answer: Response) -> bool:
    """Does it answer the order of a batch?"""
    return answer.request.method == "POST" and answer.url.endswith("/v1/matte-batches")


def test_a_zip_of_pictures_becomes_a_zip_of_results(admin):
    page, archive = admin.page, io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("anna", "ben"):
            picture = io.BytesIO()
            Image.new("RGB", (64, 48), "teal").save(picture, "PNG")
            file.writestr(f"people/{name}.png", picture.getvalue())
        file.writestr("notes.txt", b"none")
    admin.go("mattes", "Cut out")
    page.get_by_label("Make").select_option("alpha")
    with page.expect_response(is_ordered) as answered:
        page.get_by_label("Choose pictures").set_input_files(
            {"name": "photos.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}
        )
    page.get_by_role("link", name=answered.value.json()["id"], exact=True).click()
    badge = page.locator("h1 .badge")
    expect(badge).to_have_text("completed", timeout=1000 * FIRST_SHARD_S)
    expect(page.get_by_text("2 made, 1 could not be of 3")).to_be_visible()
    expect(page.locator("tr", has_text="notes.txt")).to_contain_text("damaged, or not PNG")
    admin.look("batch")
    with page.expect_download() as started:
        page.get_by_role("link", name=re.compile(r"^mb_.*\.zip")).click()
    with zipfile.ZipFile(started.value.path()) as results:
        assert results.namelist() == ["people/anna.png", "people/ben.png", "outcomes.csv"]
    page.get_by_role("button", name="Delete").click()
    batch = page.url.rpartition("/")[2]
    page.get_by_label(f"Type {batch} to confirm").fill(batch)
    page.get_by_role("button", name="Delete the batch").click()
    expect(page.get_by_role("heading", name="Cut out")).to_be_visible()
    expect(page.get_by_text(batch)).to_have_count(0)


def test_a_folder_of_the_store_becomes_a_batch(admin, stack):
    page, picture = admin.page, io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(picture, "PNG")
    stack.open_store().put(keys.incoming("default", "june/a.png"), picture.getvalue())
    admin.go("mattes", "Cut out")
    page.get_by_label("Folder of the object store").fill("../june")
    page.get_by_role("button", name="Order a batch").click()
    expect(page.locator(".notice")).to_contain_text("prefix: name a folder")
    page.get_by_label("Folder of the object store").fill("june")
    with page.expect_response(is_ordered) as answered:
        page.get_by_role("button", name="Order a batch").click()
    page.get_by_role("link", name=answered.value.json()["id"], exact=True).click()
    expect(page.locator("h1 .badge")).to_have_text("completed", timeout=1000 * FIRST_SHARD_S)
    expect(page.locator("tr", has_text="a.png")).to_contain_text("64 × 48 px")


def test_what_was_rejected_is_shown_by_reason(admin, client):
    dataset = client.order(4, shard_size=4, seed=1, filter={"coverage_min": 0.999999})
    client.wait(dataset.id, timeout_s=FIRST_SHARD_S)
    admin.go(f"datasets/{dataset.id}", dataset.id)
    admin.page.get_by_text(re.compile("^coverage_min: ")).click()
    picture = admin.page.locator(".rejects img").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    expect(admin.page.locator(".rejects figcaption").first).to_contain_text("at least 1")
    expect(admin.page.get_by_text("rejection_budget_exhausted")).to_be_visible()
    admin.look("rejected")


def test_losses_are_drawn(admin, stack):
    runs, run_id = TrainingRuns(stack.open_store()), "tr_" + "c" * 24
    spec = TrainingSpec(domain="humans", labelled=["people"], unlabelled=["people"])
    record = TrainingRecord(
        id=run_id, owner="default", spec=spec, corpora={}, champion=None, created_at=utcnow(),
        body_sha256="",
    )  # fmt: skip
    runs.store.put(keys.training_run(run_id, "request.json"), record.model_dump_json().encode())
    end = RunEnd(state=RunState.CANCELLED, at=utcnow())
    runs.store.put(keys.training_run(run_id, "end.json"), end.model_dump_json().encode())
    lines = "".join(json.dumps({"step": i, "total": 1 / (1 + i)}) + "\n" for i in range(50))
    log = keys.training_run(run_id, "files/adversarial/gan.jsonl")
    runs.store.put(log, lines.encode())
    admin.go(f"training/{run_id}", run_id)
    chart = admin.page.get_by_role("img", name="total: 1 to 0.02, least 0.02")
    expect(chart).to_be_visible()
    assert len(chart.locator("polyline").get_attribute("points").split()) == 50
    admin.look("training-run")


def test_presets_fill_the_form_and_same_again_repeats_an_order(admin, client):
    page = admin.page
    admin.go("order", "Order a dataset")
    page.get_by_role("button", name=re.compile("^Train a network")).click()
    expect(page.get_by_label("Count")).to_have_value("10000")
    dataset = client.order(2, shard_size=2, seed=77, labels={"for": "again"})
    client.wait(dataset.id, timeout_s=FIRST_SHARD_S)
    admin.go(f"datasets/{dataset.id}", dataset.id)
    page.get_by_role("link", name="Same again").click()
    expect(page.get_by_label("Count")).to_have_value("2")
    expect(page.get_by_label("Labels")).to_have_value("for=again")
    expect(page.get_by_label("Seed")).to_have_value("")
    expect(page.get_by_text("give the seed 77 to get the same pictures")).to_be_visible()


def test_scores_lineage_slider_and_code_to_copy(admin, client):
    dataset = client.order(
        3, shard_size=3, seed=5, filter={"coverage_min": 0.01, "coverage_max": 0.999}
    )
    client.wait(dataset.id, timeout_s=FIRST_SHARD_S)
    admin.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = admin.page
    admin.go(f"datasets/{dataset.id}", dataset.id)
    chart = page.get_by_role("img", name=re.compile("^coverage: 3 samples"))
    expect(chart).to_have_attribute("aria-label", re.compile("threshold 0.01 and 0.999"))
    expect(chart.locator("line.threshold")).to_have_count(2)
    tile = page.locator(".tile").first
    expect(tile).to_have_attribute("title", re.compile("coverage"))
    tile.click()
    viewer = page.locator("dialog[open]")
    page.keyboard.press("6")
    viewer.get_by_label("Image to the left, alpha to the right").fill("20")
    assert "20%" in viewer.locator("img.over").evaluate("image => image.style.clipPath")
    expect(viewer.locator("tr", has_text="coverage")).to_contain_text(
        "at least 0.01, at most 0.999"
    )
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    snippet = page.locator(".code", has=page.get_by_label("Read it in Python"))
    snippet.get_by_role("button", name="Copy").click()
    expect(snippet.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert dataset.id in copied
    assert copied.startswith("import os")
    page.get_by_text("Manifest (written at the end)").click()
    expect(page.get_by_label("manifest.json")).to_contain_text(dataset.bundle)
    expect(page.get_by_text("no training run of this service")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("button", name=re.compile("^Download all 1")).click()
    assert started.value.suggested_filename == "000000.tar"
