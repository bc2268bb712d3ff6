"""`matteforge list | samples | preview | delete`, their service replaced by scripted answers."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from core.datasets.dataset import DatasetView, utcnow
from matteforge.cli import browse, connection
from matteforge.schemas.datasets import Counts, DatasetOut, DatasetState
from matteforge.schemas.orders import DatasetSpec
from matteforge.schemas.samples import RejectedList, RejectedOut, SampleOut
from service.wire import dataset_out

IDENT = "ds_" + "0" * 24


class FakeClient:
    """Stands for matteforge.client.MatteForge."""

    asked: dict[str, object]

    def __init__(self, url: str, api_key: str) -> None:
        """Nothing to connect to."""

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def get(self, dataset_id: str) -> DatasetOut:
        return next(self.list(state=None))

    def list(self, *, state: str | None) -> Iterator[DatasetOut]:
        for label in ("a", "b"):
            now = utcnow()
            view = DatasetView(
                id=IDENT,
                state=DatasetState.COMPLETED,
                spec=DatasetSpec(count=10, seed=1, labels={"team": label}),
                bundle="sha256:" + "0" * 64,
                counts=Counts(requested=10, accepted=10, shards_total=1),
                timestamps={DatasetState.QUEUED: now, DatasetState.COMPLETED: now},
            )
            yield dataset_out(view, now)

    def rejected(self, dataset_id: str, *, reason: str | None) -> RejectedList:
        item = RejectedOut(
            name="000000-4",
            shard=0,
            attempt=4,
            seed=1,
            reason="mad",
            scores={"mad": 0.5},
            threshold=0.03,
            attributes={},
            picture="/v1/x",
        )
        return RejectedList(items=[item], rejected={"mad": 9})

    def rejected_picture(self, dataset_id: str, name: str) -> bytes:
        return name.encode()

    def samples(self, dataset_id: str, **asked: object) -> Iterator[SampleOut]:
        type(self).asked = asked
        yield SampleOut(
            key="00000000000",
            shard=0,
            split="train",
            seed=5,
            psi=0.7,
            width=8,
            height=8,
            scores={"iou": 0.987654},
            thresholds={},
            attributes={},
            members={},
        )

    def preview(self, dataset_id: str) -> bytes:
        body = io.BytesIO()
        Image.new("RGB", (30, 20)).save(body, "WEBP")
        return body.getvalue()

    def delete(self, dataset_id: str) -> None:
        type(self).asked = {"deleted": dataset_id}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    made = type("Fake", (FakeClient,), {"asked": {}})
    monkeypatch.setattr(connection, "MatteForge", made)
    return made


def run(command, *arguments: str, **options: object) -> Result:
    return CliRunner().invoke(
        command, [*arguments, "--api-key", "k"], env={"COLUMNS": "200"}, **options
    )


def test_datasets_are_listed_by_label(fake):
    shown = run(browse.list_datasets).stdout
    assert shown.count(IDENT) == 2
    assert "team=b" in shown
    assert run(browse.list_datasets, "--label", "team=b", "--quiet").stdout == f"{IDENT}\n"
    assert run(browse.list_datasets, "--source", "rendered", "--json").stdout == ""


def test_samples_are_asked_for_as_said(fake):
    result = run(browse.samples, IDENT, "--where", "iou > 0.9", "--order", "-iou", "--limit", "3")
    assert fake.asked == {"where": "iou > 0.9", "order": "-iou", "limit": 3}
    assert "0.9877" in result.stdout
    assert json.loads(run(browse.samples, IDENT, "--json").stdout)["seed"] == 5


@pytest.mark.parametrize("name", ["sheet.png", "sheet.webp", "sheet.jpg"])
def test_a_preview_is_saved_in_the_format_of_its_name(fake, tmp_path: Path, name: str):
    result = run(browse.preview, IDENT, "-o", str(tmp_path / name))
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / name) as picture:
        assert picture.size == (30, 20)
        assert picture.format.lower() in name.replace("jpg", "jpeg")


def test_a_preview_that_can_t_be_written_is_one_line(fake, tmp_path: Path):
    for path in (tmp_path / "no" / "sheet.webp", tmp_path / "sheet.xyz"):
        result = run(browse.preview, IDENT, "-o", str(path))
        assert (result.exit_code, result.stderr.startswith("Error: ")) == (1, True)
    assert not list(tmp_path.iterdir())


def test_deleting_is_asked_for_first(fake):
    assert run(browse.delete, IDENT, input="n\n").exit_code == 1
    assert fake.asked == {}
    assert "is deleted" in run(browse.delete, IDENT, "--yes").stdout
    assert fake.asked == {"deleted": IDENT}


def test_rejected_examples_are_listed_and_saved(fake, tmp_path: Path):
    shown = run(browse.rejected, IDENT, "-o", str(tmp_path / "out")).stdout
    assert "rejected: 9 by mad" in shown
    assert "000000-4  mad (threshold 0.03)  mad 0.5" in shown
    assert (tmp_path / "out" / "mad-000000-4.webp").read_bytes() == b"000000-4"
