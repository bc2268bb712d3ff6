"""The console as people use it: order, progress, gallery, filter, download, cancel, sign out."""

import hashlib
import io
import os
import re
import subprocess
import sys

import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
FIRST_SHARD_S = 240  # a worker's first: it imports torch and compiles kernels
expect.set_options(timeout=30_000)
PAGES = {
    "order": "Order a dataset",
    "models": "Models",
    "models/humans": "humans",
    "training": "Training",
    "training/new": "New training run",
    "corpora": "Corpora",
    "schedules": "Schedules",
    "mattes": "Cut out",
    "webhooks": "Webhooks",
    "keys": "Keys",
}


def place_order(somebody, **fields: str) -> str:
    """Order through the form; the dataset's id."""
    page = somebody.page
    somebody.go("order", "Order a dataset")
    page.get_by_text(re.compile("^More")).click()
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " "), exact=False).first.fill(value)
    page.get_by_role("button", name="Order", exact=True).click()
    page.wait_for_url(re.compile(r"/datasets/ds_"))
    return page.url.rpartition("/")[2]


def test_a_day_at_the_console(person, stack, client):
    with person("desktop") as somebody:
        page = somebody.page
        somebody.sign_in("mf_not-a-key")
        expect(page.get_by_role("alert").first).to_contain_text("not known here")
        somebody.look("signin")
        somebody.sign_in(stack.api_key)
        page.get_by_role("heading", name="Datasets", exact=True).wait_for()

        somebody.go("order", "Order a dataset")
        page.get_by_label("Count").fill("0")
        expect(page.get_by_text("must be at least 1")).to_be_visible()
        page.get_by_label("Count").fill("12")
        expect(page.get_by_text(re.compile("^Estimate: 1 shard"))).to_be_visible()
        page.get_by_label("depth", exact=True).check()
        expect(page.locator("[data-field=members] .field-error")).not_to_be_empty()
        expect(page.get_by_label("depth", exact=True)).to_be_focused()
        somebody.look("order")
        page.get_by_label("depth", exact=True).uncheck()
        ordered = place_order(somebody, Count="12", Shard_size="4", Seed="9007199254740993")
        page.locator(".tile").first.wait_for(timeout=1000 * FIRST_SHARD_S)
        expect(page.locator("h1 .badge")).to_have_text("completed")
        expect(page.get_by_text("12 of 12 (100 %)")).to_be_visible()
        assert client.get(ordered).spec.seed == 9007199254740993, "beyond 2^53, and exact"
        expect(page.get_by_text("9007199254740993").first).to_be_visible()
        expect(page.locator(".tile")).to_have_count(12)

        gallery(somebody)
        cut_out(somebody)
        somebody.go(f"datasets/{ordered}", ordered)
        download(somebody, client, ordered)
        run_the_code(somebody, stack.api_key)
        cancel_and_delete(somebody)

        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("API key").wait_for()
        assert page.request.get(f"{stack.url}/v1/datasets").status == 401


def gallery(somebody) -> None:
    page = somebody.page
    for mode in ("Alpha", "Checkerboard", "Colour", "Slider", "Image"):
        page.get_by_role("button", name=mode, exact=True).first.click()
    page.get_by_role("button", name="Checkerboard", exact=True).first.click()
    mask = page.locator(".tile img").first.evaluate("image => getComputedStyle(image).maskImage")
    assert "alpha" in mask
    somebody.look("dataset")
    search = page.get_by_role("searchbox")
    search.fill("coverage > 2")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".tile")).to_have_count(0)
    search.fill("beauty > 0.5")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_timeout(1500)
    notice = page.locator(".notice")
    expect(notice).to_contain_text("beauty")
    notice.get_by_role("button").click()
    expect(notice).to_have_count(0)
    search.fill("coverage >= 0")
    page.get_by_label("Order", exact=True).select_option("-coverage")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".tile")).to_have_count(12)
    page.locator(".tile").first.click()
    first = page.locator("#viewer-name").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-name")).not_to_have_text(first)
    page.keyboard.press("2")
    expect(page.locator("dialog [aria-pressed=true]")).to_have_text("Alpha")
    somebody.look("viewer")
    page.keyboard.press("Escape")


def cut_out(somebody) -> None:
    """Through the real queue and worker: a picture, and something that is none."""
    page = somebody.page
    picture = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(picture, "JPEG")
    somebody.go("mattes", "Cut out")
    page.get_by_label("Make").select_option("composite")
    page.get_by_label("Behind it").select_option("colour")
    page.get_by_label("Choose pictures").set_input_files(
        [
            {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": picture.getvalue()},
            {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"},
        ]
    )
    result = page.get_by_alt_text("composite of me.jpg")
    result.wait_for(timeout=1000 * FIRST_SHARD_S)
    expect(page.get_by_text("320 × 200 px")).to_be_visible()
    assert result.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
    expect(page.get_by_text("the picture is damaged, or not PNG")).to_be_visible()
    somebody.look("mattes")


def download(somebody, client, dataset_id: str) -> None:
    shard = next(client.shards(dataset_id))
    with somebody.page.expect_download() as started:
        somebody.page.get_by_role("link", name=shard.name).click()
    body = started.value.path().read_bytes()
    assert hashlib.sha256(body).hexdigest() == shard.sha256


def run_the_code(somebody, key: str) -> None:
    """What the page gives to read the dataset does read it."""
    snippet = somebody.page.get_by_label("Read it in Python").inner_text()
    env = {**os.environ, "MATTEFORGE_API_KEY": key}
    done = subprocess.run(
        [sys.executable, "-c", snippet], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(32, 32, 3)")


def cancel_and_delete(somebody) -> None:
    page = somebody.page
    ordered = place_order(somebody, Count="1000000", Labels="purpose=to be cancelled")
    page.get_by_role("button", name="Cancel", exact=True).click()
    confirm = page.get_by_role("button", name="Cancel the dataset")
    expect(confirm).to_be_disabled()
    page.get_by_label("Type cancel to confirm").fill("cancel")
    confirm.click()
    expect(page.locator("h1 .badge")).to_have_text("cancelled")
    somebody.go("datasets", "Datasets")
    row = page.locator(f"[data-id={ordered}]")
    expect(row).to_contain_text("purpose: to be cancelled")
    row.get_by_role("button", name="Delete").click()
    page.get_by_label(f"Type {ordered} to confirm").fill(ordered)
    page.get_by_role("button", name="Delete for good").click()
    expect(row).to_have_count(0)
    expect(page.get_by_text(f"{ordered} was deleted.")).to_be_visible()


def test_every_page_on_a_telephone_in_the_dark(person, stack, client):
    client.wait(client.order(4, shard_size=4).id, timeout_s=FIRST_SHARD_S)
    with person("mobile", width=390, scheme="dark") as somebody:
        somebody.sign_in(stack.api_key)
        page = somebody.page
        page.locator(".dataset img").first.wait_for()
        somebody.look("datasets")
        page.locator(".dataset .id").first.click()
        page.locator(".tile").first.wait_for()
        somebody.look("dataset")
        page.locator(".tile").first.click()
        page.locator("dialog[open]").wait_for()
        somebody.look("viewer")
        page.keyboard.press("Escape")
        for path, heading in PAGES.items():
            somebody.go(path, heading)
            somebody.look(path.replace("/", "-"))
        page.set_viewport_size({"width": 360, "height": 800})
        somebody.go("order", "Order a dataset")
        page.get_by_label("Rendered, exact alpha").check()
        page.get_by_text("Per cent of each value").click()
        page.get_by_label("glasses yes, per cent").fill("130")
        expect(page.get_by_text("glasses yes must be 0 to 100")).to_be_visible()
        page.get_by_label("glasses yes, per cent").fill("30")
        page.get_by_text("As a request").click()
        expect(page.get_by_text('"glasses":{"yes":0.3}')).to_be_visible()
        somebody.look("order-rendered-360")
        page.get_by_label("Domain").select_option("animals")
        expect(page.get_by_label("glasses yes, per cent")).to_have_count(0)
        page.get_by_text("Per cent of each value").click()
        page.get_by_label("kind fox, per cent").fill("50")
        expect(page.get_by_text('"kind":{"fox":0.5}')).to_be_visible()
        expect(page.get_by_text('"domain":"animals"')).to_be_visible()
        somebody.look("order-animals-360")


def test_a_part_more_and_the_same_once_more(person, stack, client):
    """From the gallery's filter, and from the page's forms."""
    ordered = client.order(12, shard_size=4, seed=9)
    parent = client.wait(ordered.id, timeout_s=FIRST_SHARD_S).id
    with person("maker") as somebody:
        page = somebody.page
        somebody.sign_in(stack.api_key)
        page.get_by_role("heading", name="Datasets", exact=True).wait_for()
        somebody.go(f"datasets/{parent}", parent)

        def come_to() -> str:
            """The new dataset's id, once it is complete."""
            page.wait_for_url(lambda url: not url.endswith(parent))
            made = page.url.rpartition("/")[2]
            expect(page.locator("h1")).to_contain_text(made)
            expect(page.locator("h1 .badge")).to_have_text("completed", timeout=60_000)
            return made

        page.get_by_role("searchbox").fill("coverage >= 0")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_text("12 of 12 samples where")).to_be_visible()
        page.get_by_role("button", name="Make a subset of these").click()
        expect(page.get_by_label("Where")).to_have_value("coverage >= 0")
        page.get_by_label("Limit").fill("0")
        expect(page.get_by_text("must be at least 1")).to_be_visible()
        page.get_by_label("Limit").fill("5")
        somebody.look("another")
        page.get_by_role("button", name="Order the part").click()
        part = client.get(come_to())
        assert (part.counts.accepted, part.spec.derived_from.where) == (5, "coverage >= 0")
        page.get_by_text("More of it").click()
        page.get_by_label("Count").fill("3")
        page.get_by_role("button", name="Order more").click()
        expect(page.locator(".notice")).to_contain_text(f"extend {parent}, and make a subset")
        page.get_by_role("button", name=re.compile("^Dismiss")).click()
        somebody.go(f"datasets/{parent}", parent)
        page.get_by_text("More of it").click()
        page.get_by_label("Count").fill("3")
        page.get_by_role("button", name="Order more").click()
        assert client.get(come_to()).counts.accepted == 3
        somebody.go(f"datasets/{parent}", parent)
        page.get_by_text("Once more, to compare").click()
        page.get_by_role("button", name="Make it again and compare").click()
        come_to()
        expect(page.get_by_text("All 3 shards have the same bytes")).to_be_visible()
