"""The arithmetic of the bench: ratios, their targets, and the guard."""

import json
from pathlib import Path
from unittest import mock

import pytest
import torch
from click.testing import CliRunner

from models.networks.stylegan3 import build_generator, synthesis
from workers.bench import cli, textbook
from workers.bench.cases import GENERATORS, STYLEMATTES, TEXTBOOK, Row
from workers.bench.report import load_rows, ratios_table, regressions, to_json
from workers.bench.timing import Ratio, median_ms, ratio, take_turns


def row(
    value: float, *, case: str = "t64", name: str = "textbook / ours", more: bool = True
) -> Row:
    made = Ratio(name=name, value=value, low=value, high=value, target=3.5, more_is_better=more)
    return Row(case=case, ms={"ours": 1.0}, ratios=(made,))


def test_a_ratio_is_of_the_least_times_and_its_spread_of_the_rounds() -> None:
    made = ratio({"slow": [8.0, 6.0], "fast": [2.0, 3.0]}, "slow", "fast")
    assert (made.value, made.low, made.high, made.name) == (3.0, 2.0, 4.0, "slow / fast")
    assert str(made) == "3.00 (2.00 to 4.00)"


@pytest.mark.parametrize(
    ("value", "more", "reached"),
    [(4, True, True), (3, True, False), (3, False, True), (4, False, False)],
)
def test_a_target_is_a_floor_or_a_ceiling(value: float, more: bool, reached: bool) -> None:
    assert row(value, more=more).ratios[0].reached is reached


def test_variants_take_turns_after_a_first_call() -> None:
    calls: list[str] = []
    ticks = iter(range(100))
    seconds = take_turns(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        2,
        lambda: float(next(ticks)),
    )
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert seconds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert median_ms({"a": [1.0, 3.0]}, "a", 2) == 1000


@pytest.mark.parametrize(
    ("now", "more", "worse"),
    [(2.9, True, False), (2.3, True, True), (3.7, False, False), (3.8, False, True)],
)
def test_the_guard_allows_a_quarter_and_no_more(now: float, more: bool, worse: bool) -> None:
    assert bool(regressions([row(now, more=more)], [row(3.0, more=more)], tolerance=0.25)) is worse


def test_the_guard_compares_equal_cases_only_and_refuses_to_compare_none() -> None:
    assert (
        regressions([row(1.0), row(3.0, case="t128")], [row(3.0, case="t128")], tolerance=0.1) == []
    )
    with pytest.raises(ValueError, match="none"):
        regressions([row(1.0)], [row(1.0, case="another")], tolerance=0.1)


def test_results_survive_json(tmp_path: Path) -> None:
    rows = [row(3.0), row(4.0, more=False)]
    (tmp_path / "bench.json").write_text(json.dumps(to_json(rows, device="cpu", rounds=3)))
    assert load_rows(tmp_path / "bench.json") == rows
    assert "| t64 | textbook / ours | 3.00 (3.00 to 3.00) | at least 3.5 | no |" in ratios_table(
        rows
    )


def test_the_command_knows_every_case() -> None:
    assert set(cli.CASES) == {*GENERATORS, *STYLEMATTES, "discriminator", "threads", "engine"}


def test_the_textbook_makes_the_same_image() -> None:
    generator = build_generator(GENERATORS["embedded-64"])
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = generator(z)
        with mock.patch.multiple(synthesis, **TEXTBOOK):
            assert not torch.equal(ours, generator(z)), "the patch does nothing"
            torch.testing.assert_close(ours, generator(z), atol=2e-5, rtol=0)
    assert TEXTBOOK["modulated_conv"] is textbook.modulated_conv


def test_the_command_measures_writes_and_guards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "restart_tuned", lambda: None)
    file = tmp_path / "bench.json"
    options = [
        "--device",
        "cpu",
        "--rounds",
        "1",
        "--case",
        "embedded-64",
        "--batch",
        "1",
        "--no-training",
    ]
    threads = torch.get_num_threads()
    made = CliRunner().invoke(cli.bench, [*options, "--json", str(file)])
    assert made.exit_code == 0, made.output
    assert "| embedded-64, batch 1, forward | textbook / ours |" in made.output
    record = json.loads(file.read_text())
    record["rows"][0]["ratios"][0]["value"] *= 1000
    file.write_text(json.dumps(record))
    refused = CliRunner().invoke(cli.bench, [*options, "--check", str(file)])
    assert refused.exit_code == 1
    assert "worse than recorded" in refused.output
    torch.set_num_threads(threads)


def test_a_gpu_that_is_not_there_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "restart_tuned", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused = CliRunner().invoke(cli.bench, ["--device", "cuda"])
    assert refused.exit_code == 1
    assert "no CUDA device" in refused.output
