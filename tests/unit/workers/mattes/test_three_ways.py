"""Pictures of twenty-two awkward kinds by REST, by command and as a batch: the same alpha, or the
same refusal."""

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from fastapi.testclient import TestClient
from PIL import Image

from core.adapters.memory_doorbell import MemoryDoorbell
from core.bundle import Bundle
from core.messages import Message, RunMatte, RunMatteBatch
from core.registry import Registry
from core.settings import Settings
from matteforge.cli.matte import matte
from matteforge.client import MatteForge
from matteforge.matte_names import result_names
from service.app import create_app
from workers.mattes.run_batch import run_matte_batch
from workers.mattes.run_matte import run_matte

MAX_PIXELS = 1_000_000
KEY = "mf_test"


class Worker(MemoryDoorbell):
    """A broker whose worker is at once there; what it rings for itself waits for its turn."""

    context = None
    _busy = False

    def ring(self, message: Message, *, priority: int = 0) -> None:
        super().ring(message, priority=priority)
        if self._busy:
            return
        self._busy = True
        while self.rung:
            message, _ = self.rung.pop(0)
            if isinstance(message, RunMatte):
                run_matte(self.context, message.matte_id, MAX_PIXELS)
            elif isinstance(message, RunMatteBatch):
                run_matte_batch(self.context, message.batch_id, MAX_PIXELS)
        self._busy = False


@pytest.fixture
def http(bench: Any, bright: Any, tmp_path: Path) -> Iterator[TestClient]:
    """The API with a worker, on memory adapters."""
    worker = Worker()
    worker.context = replace(bench.context, stylematte=lambda digest: bright, doorbell=worker)
    folder = tmp_path / "bundle"
    folder.mkdir()
    bundle = Bundle(name="humans", files={}, thresholds={}, resolution=64, card={})
    (folder / "bundle.json").write_bytes(bundle.to_bytes())
    Registry(bench.store).publish(folder)
    app = create_app(Settings(api_key=KEY), store=bench.store, live=bench.live, doorbell=worker)
    headers = {"Authorization": f"Bearer {KEY}"}
    with TestClient(app, headers=headers, follow_redirects=False) as client:
        yield client


@pytest.fixture
def command(
    http: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """`matteforge matte` on that API, in a folder of its own."""

    class Through(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            url, headers = str(request.url), dict(request.headers)
            answer = http.request(request.method, url, headers=headers, content=request.read())
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )

    class Client(MatteForge):
        def __init__(self, url: str, api_key: str) -> None:
            super().__init__(url, api_key, transport=Through())

    def fetch(url: str, path: Path, on_bytes: object, *, timeout: object) -> None:
        key = url.removeprefix("memory://").partition("?")[0]
        path.write_bytes(http.app.state.services.store.get(key)[0])

    monkeypatch.setattr("matteforge.cli.connection.MatteForge", Client)
    monkeypatch.setattr("matteforge.matte_batches.fetch", fetch)
    monkeypatch.setenv("MATTEFORGE_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(
        matte, [*arguments, "--output", "alpha", "--url", "http://testserver"]
    )


def refused(pictures) -> set[str]:
    return {name for name, (_, seen) in pictures.awkward.items() if seen is None}


def test_there_are_at_least_twenty_awkward_kinds(pictures):
    assert len(pictures.awkward) >= 20
    assert len(refused(pictures)) >= 4


@pytest.mark.thorough
def test_by_rest(http, pictures):
    for name, (content, _) in pictures.awkward.items():
        files, form = {"image": (name, content)}, {"output": "alpha", "wait_s": "5"}
        made = http.post("/v1/mattes", files=files, data=form).json()
        if name in refused(pictures):
            assert (made["state"], made["error"]["code"]) == ("failed", "picture_rejected"), name
            assert "\n" not in made["error"]["detail"]
        else:
            result = http.get(made["links"]["result"]).content
            pictures.check_alpha(name, Image.open(io.BytesIO(result)))


@pytest.mark.thorough
@pytest.mark.parametrize("batch", [(), ("--batch",)], ids=["one by one", "as a batch"])
def test_by_command(command, pictures, batch):
    folder = Path("in")
    folder.mkdir()
    for name, (content, _) in pictures.awkward.items():
        (folder / name).write_bytes(content)
    done = command("in", "-o", "out", *batch)
    assert done.exit_code == 1, (done.output, done.exception)
    told = refused(pictures) - {"script.eps"}  # which by its name is no picture
    assert all(f"{name}: the picture" in done.stderr for name in told), done.stderr
    assert "Traceback" not in done.output
    made = {path.name for path in Path("out").iterdir()}
    sent = [Path(name) for name in pictures.awkward if name != "script.eps"]
    results = {path.name: str(name) for path, name in zip(sent, result_names(sent), strict=True)}
    good = set(pictures.awkward) - refused(pictures)
    assert made == {results[name] for name in good}
    for name in good:
        pictures.check_alpha(name, Image.open(f"out/{results[name]}"))
    if batch:
        again = command("in", "-o", "out", *batch)
        assert "18 made" not in again.output, "what is there is not made again"


def test_by_zip(http, pictures):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, (content, _) in pictures.awkward.items():
            file.writestr(name, content)
    files = {"archive": ("pictures.zip", archive.getvalue())}
    batch = http.post("/v1/matte-batches", files=files, data={"output": "alpha"}).json()
    assert (batch["state"], batch["counts"]) == (
        "completed",
        {"total": 22, "made": 18, "failed": 4},
    )
    store = http.app.state.services.store
    for picture in http.get(batch["links"]["pictures"]).json()["items"]:
        if picture["name"] in refused(pictures):
            assert picture["error"]["code"] == "picture_rejected"
        else:
            key = f"matte-batches/{batch['id']}/results/{picture['result']}"
            pictures.check_alpha(picture["name"], Image.open(io.BytesIO(store.get(key)[0])))
