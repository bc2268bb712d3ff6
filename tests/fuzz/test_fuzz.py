"""Bytes from others are taken or refused, nothing else: what a fuzzer found, and changed seeds.

fuzz.py looks for more, for as long as one likes.
"""

import importlib.util
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FOUND = Path(__file__).parents[1] / "data" / "fuzz"
NAMES = ("importer", "safetensors", "tar", "corpus", "images", "orders", "cursors", "filters")
EDIT = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.binary(max_size=4))
SOME = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def targets() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("targets", Path(__file__).with_name("targets.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield module
    shutil.rmtree(module.HOME)


def test_each_target_is_tried(targets: ModuleType) -> None:
    assert sorted(targets.TARGETS) == sorted(NAMES)
    assert {folder.name for folder in FOUND.iterdir()} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_what_a_fuzzer_found(targets: ModuleType, name: str) -> None:
    target = targets.TARGETS[name]
    for seed in target.seeds():
        target(seed)
    for file in sorted((FOUND / name).glob("*")):
        target(file.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_changed_seeds(targets: ModuleType, name: str) -> None:
    target = targets.TARGETS[name]
    seeds = target.seeds()

    @SOME
    @given(seed=st.sampled_from(seeds), edits=st.lists(EDIT, min_size=1, max_size=4))
    def changed(seed: bytes, edits: list[tuple[float, int, bytes]]) -> None:
        data = bytearray(seed)
        for place, length, new in edits:
            start = int(place * len(data))
            data[start : start + length] = new
        target(bytes(data))

    changed()
