"""The client's commands, with their service replaced by scripted answers."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from core.datasets.dataset import DatasetView, utcnow
from matteforge.cli import connection, datasets
from matteforge.cli.download import download
from matteforge.errors import (
    DatasetIncomplete,
    MatteForgeRequestError,
    MatteForgeUnavailable,
)
from matteforge.schemas.datasets import Counts, DatasetOut, DatasetState, ErrorInfo
from matteforge.schemas.orders import DatasetSpec
from matteforge.schemas.problems import Problem
from service.wire import dataset_out

IDENT = "ds_" + "0" * 24


def dataset(state: DatasetState) -> DatasetOut:
    now = utcnow()
    view = DatasetView(
        id=IDENT,
        state=state,
        spec=DatasetSpec(count=10, seed=4711),
        bundle="sha256:" + "0" * 64,
        counts=Counts(requested=10, accepted=7, attempted=9, rejected={"mad": 2}, shards_total=1),
        timestamps={DatasetState.QUEUED: now - timedelta(seconds=7), state: now},
        error=ErrorInfo(code="rejection_budget_exhausted", detail="iou starved it")
        if state is DatasetState.FAILED
        else None,
    )
    return dataset_out(view, now)


class FakeClient:
    """Stands for matteforge.client.MatteForge; `state` is what datasets are in."""

    state = DatasetState.COMPLETED
    calls: list[tuple]

    def __init__(self, url: str, api_key: str) -> None:
        self.calls.append(("connect", url, api_key))

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def order(
        self, count: int, *, idempotency_key: str | None = None, **options: object
    ) -> DatasetOut:
        self.calls.append(("order", count, idempotency_key, options))
        return dataset(DatasetState.QUEUED)

    def get(self, dataset_id: str) -> DatasetOut:
        return dataset(self.state)

    def wait(self, dataset_id: str, on_progress) -> DatasetOut:
        on_progress(dataset(DatasetState.RUNNING))
        return dataset(self.state)

    def cancel(self, dataset_id: str) -> DatasetOut:
        return dataset(self.state)

    def download(self, dataset_id: str, directory, *, on_progress, **options: object) -> list:
        self.calls.append(("download", dataset_id, str(directory), options))
        return [directory / dataset_id / "000000.tar"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    made = type("Fake", (FakeClient,), {"calls": []})
    monkeypatch.setattr(connection, "MatteForge", made)
    for name in ("MATTEFORGE_URL", "MATTEFORGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return made


def run(command, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--api-key", "k"], env={"COLUMNS": "200"})


def test_order_passes_on_what_was_given(fake):
    result = run(
        datasets.order,
        "64",
        "--psi",
        "0.5",
        "--alpha-bits",
        "16",
        "--filter",
        "mad=0.02",
        "--filter",
        "iou=0.9",
        "--label",
        "team=a=b",
        "--idempotency-key",
        "x",
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{IDENT}\n"
    options = {
        "truncation_psi": 0.5,
        "alpha_bits": 16,
        "filter": {"mad": 0.02, "iou": 0.9},
        "labels": {"team": "a=b"},
    }
    assert fake.calls == [("connect", connection.DEFAULT_URL, "k"), ("order", 64, "x", options)]


def test_order_passes_what_belongs_to_rendered_people(fake):
    result = run(
        datasets.order, "8", "--source", "rendered", "--size", "128", "--attributes",
        '{"hair": {"long": 0.5}, "glasses": 0.3}', "--members", "fg, trimap",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    options = {
        "source": "rendered",
        "size": 128,
        "attributes": {"hair": {"long": 0.5}, "glasses": 0.3},
        "members": ["fg", "trimap"],
    }
    assert fake.calls[-1] == ("order", 8, None, options)


def test_order_leaves_defaults_to_the_service(fake):
    run(datasets.order, "64")
    assert fake.calls[-1] == ("order", 64, None, {})


@pytest.mark.parametrize(
    "option",
    [
        ("--filter", "mad"),
        ("--filter", "mad=much"),
        ("--image-format", "gif"),
        ("--attributes", "x"),
        ("--attributes", "1"),
    ],
)
def test_order_explains_wrong_options(fake, option):
    result = run(datasets.order, "64", *option)
    assert result.exit_code == 2
    assert len(fake.calls) == 0


def test_watching_ends_with_the_outcome(fake):
    completed = run(datasets.order, "64", "--watch")
    assert completed.exit_code == 0
    assert completed.stdout == f"{IDENT}\n"
    fake.state = DatasetState.FAILED
    failed = run(datasets.status, IDENT, "--watch")
    assert failed.exit_code == 1
    assert "iou starved it [rejection_budget_exhausted]" in failed.stderr


def test_status_shows_the_figures(fake):
    shown = run(datasets.status, IDENT).stdout
    for part in (IDENT, "completed", "7 of 10, 9 attempted", "mad 2", "4711", "1.00 samples/s"):
        assert part in shown


def test_download_says_where_it_is_and_what_is_missing(fake):
    done = run(download, IDENT, "--out", "there", "--split", "test")
    assert done.stdout == f"1 shards, sha256 checked, in there/{IDENT}/\n"
    options = {"workers": 4, "split": "test", "partial": False}
    assert fake.calls[-1] == ("download", IDENT, "there", options)
    fake.state = DatasetState.RUNNING
    assert "still running" in run(download, IDENT, "--partial").stderr


def test_members_that_no_sample_has_are_refused_before_anything_is_fetched(fake, tmp_path):
    asked = ["--format", "folder", "--members", "image,depht", "-o", str(tmp_path)]
    result = run(download, IDENT, *asked)
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "has no depht; it has image, alpha, json" in result.stderr


def test_members_are_of_folders_alone(fake):
    result = run(download, IDENT, "--members", "alpha")
    assert (result.exit_code, fake.calls) == (2, [("connect", connection.DEFAULT_URL, "k")])
    assert "belongs to --format folder" in result.stderr


def test_an_incomplete_dataset_exits_with_1_and_one_line(fake, monkeypatch):
    def refuse(*given: object, **options: object) -> None:
        raise DatasetIncomplete("ds_0 failed (iou starved it); --partial fetches them")

    monkeypatch.setattr(fake, "download", refuse)
    result = run(download, IDENT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip().splitlines()[-1].startswith("Error: ds_0 failed")


@pytest.mark.parametrize("command", ["status", "order"])
def test_ctrl_c_while_watching_says_that_the_order_goes_on(fake, monkeypatch, command):
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fake, "wait", interrupted)
    argument = IDENT if command == "status" else "10"
    result = run(getattr(datasets, command), argument, "--watch")
    assert result.exit_code == 130
    assert f"{IDENT} goes on" in result.stderr
    assert "Traceback" not in result.output


def test_ctrl_c_while_downloading_is_one_line(fake, monkeypatch):
    def interrupted(*given: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fake, "download", interrupted)
    result = run(download, IDENT)
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr


def test_json_is_for_programs(fake):
    for command, arguments in (
        (datasets.status, [IDENT]),
        (datasets.cancel, [IDENT]),
        (datasets.order, ["10"]),
        (datasets.order, ["10", "--watch"]),
    ):
        result = run(command, *arguments, "--json")
        assert json.loads(result.stdout)["id"] == IDENT


def test_cancel(fake):
    fake.state = DatasetState.RUNNING
    assert run(datasets.cancel, IDENT).stdout == f"{IDENT} will be cancelled\n"
    fake.state = DatasetState.CANCELLED
    assert run(datasets.cancel, IDENT).stdout == f"{IDENT} is cancelled\n"


@pytest.mark.parametrize(
    "error",
    [
        MatteForgeUnavailable("nobody answers"),
        MatteForgeRequestError(
            Problem(type="t", title="t", status=404, detail="nobody answers", code="not_found")
        ),
    ],
)
def test_errors_are_one_line(fake, monkeypatch, error):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(fake, "get", fail)
    result = run(datasets.status, IDENT)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: nobody answers")
    assert "Traceback" not in result.output


def test_url_and_key_come_from_the_environment(fake):
    env = {"MATTEFORGE_URL": "http://forge", "MATTEFORGE_API_KEY": "secret"}
    assert CliRunner().invoke(datasets.cancel, [IDENT], env=env).exit_code == 0
    assert fake.calls == [("connect", "http://forge", "secret")]
    missing = CliRunner().invoke(datasets.cancel, [IDENT])
    assert missing.exit_code == 2
    assert "MATTEFORGE_API_KEY" in missing.output
