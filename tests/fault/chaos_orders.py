"""Orders that chaos.py places, over and over, and what becomes of them."""

import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httpx

from core import keys
from core.adapters.s3 import S3Store

UNDER_WAY = 4  # datasets at once
TERMINAL = {"completed", "failed", "cancelled"}
POLL_S = 0.25
EXPECTED = {200, 202, 503}  # and no answer at all, while the API is killed or frozen


@dataclass(frozen=True)
class Calm:
    """An order and what it gave in peace."""

    spec: dict[str, Any]
    shas: tuple[str, ...]
    counts: dict[str, Any]


@dataclass
class Ended:
    """What became of a dataset: same bytes, failed with a code, or something that must not be."""

    id: str
    outcome: str = "still under way"
    right: bool = False

    def __str__(self) -> str:
        return f"{self.id}: {self.outcome}"


def drawn_orders(seed: int, number: int) -> list[dict[str, Any]]:
    """Specs of different sizes and formats; every fourth of rendered people."""
    draw, specs = random.Random(seed), list[dict[str, Any]]()
    for index in range(number):
        rendered = {"source": "rendered", "size": 64, "attributes": {"glasses": 0.3}}
        specs.append({
            "count": draw.randrange(40, 200),
            "seed": draw.randrange(10**9),
            "shard_size": draw.randrange(8, 30),
            "image_format": draw.choice(["png", "webp"]),
            "alpha_bits": draw.choice([8, 16]),
            **(rendered if index % 4 == 3 else {}),
        })  # fmt: skip
    return specs


@dataclass
class Orders:
    """Datasets of one stack. `answers`: how often the API gave which status; `surprises`: those
    that it should not give."""

    http: httpx.Client
    store: S3Store  # past the proxies
    answers: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    _placed: dict[str, Calm | None] = field(default_factory=dict)
    _under_way: set[str] = field(default_factory=set)
    _shards: dict[str, int] = field(default_factory=dict)

    def running(self) -> list[str]:
        return sorted(self._under_way)

    def make_calmly(self, specs: list[dict[str, Any]]) -> list[Calm]:
        """Each order once, one after the other."""
        made = []
        for spec in specs:
            dataset_id = self._place(spec, None)
            while dataset_id in self._under_way:
                time.sleep(POLL_S)
                self._look(dataset_id)
            manifest = self._manifest(dataset_id)
            assert manifest["state"] == "completed", manifest["error"]
            made.append(Calm(spec, _shas(manifest), manifest["counts"]))
        return made

    @contextmanager
    def placed_without_end(self, calm: list[Calm]) -> Iterator[None]:
        """Keep some of them under way for the length of the block."""
        over = threading.Event()
        again = cycle(calm)

        def place() -> None:
            while not over.is_set():
                for dataset_id in self.running():
                    self._look(dataset_id)
                while len(self._under_way) < UNDER_WAY and not over.is_set():
                    one = next(again)
                    self._place(one.spec, one)
                over.wait(POLL_S)

        thread = threading.Thread(target=place, name="orders")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def next_shard_s(self, timeout_s: float) -> float:
        """Seconds until one more shard is seen by the API's caller."""
        begun_s, before = time.monotonic(), sum(self._shards.values())
        while sum(self._shards.values()) <= before:
            time.sleep(0.1)
            if time.monotonic() - begun_s > timeout_s:
                self.surprises.append(f"no shard for {timeout_s:g} s")
                break
        return time.monotonic() - begun_s

    def judged(self, spoilt: set[str], timeout_s: float) -> dict[str, Ended]:
        """Wait for the end of all that were placed, and compare them with the calm ones."""
        until_s = time.monotonic() + timeout_s
        while self._under_way and time.monotonic() < until_s:
            for dataset_id in self.running():
                self._look(dataset_id)
            time.sleep(POLL_S)
        known = {name: calm for name, calm in self._placed.items() if calm is not None}
        return {name: self._judge(name, calm, name in spoilt) for name, calm in known.items()}

    def _judge(self, dataset_id: str, calm: Calm, spoilt: bool) -> Ended:
        if dataset_id in self._under_way:
            return Ended(dataset_id)
        manifest = self._manifest(dataset_id)
        if manifest["state"] == "completed":
            same = (_shas(manifest), manifest["counts"]) == (calm.shas, calm.counts)
            return Ended(dataset_id, "same bytes" if same else "OTHER BYTES", same)
        code = manifest["error"]["code"] if manifest["error"] else ""
        true = spoilt and code == "shard_corrupt"
        detail = code if true else f"{code} ({manifest['error']})"
        return Ended(dataset_id, f"{manifest['state']}, {detail}", true)

    def _manifest(self, dataset_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.get(keys.manifest(dataset_id))[0])
        return found

    def _place(self, spec: dict[str, Any], calm: Calm | None) -> str:
        """Order until it is taken; one Idempotency-Key makes it one dataset."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        while True:
            if answer := self._asked("POST", "/v1/datasets", json=spec, headers=headers):
                dataset_id: str = answer["id"]
                self._placed[dataset_id] = calm
                self._shards.setdefault(dataset_id, 0)
                self._under_way.add(dataset_id)
                return dataset_id
            time.sleep(POLL_S)

    def _look(self, dataset_id: str) -> None:
        if found := self._asked("GET", f"/v1/datasets/{dataset_id}"):
            done = found["counts"]["shards_done"]
            self._shards[dataset_id] = max(done, self._shards[dataset_id])
            if found["state"] in TERMINAL:
                self._under_way.discard(dataset_id)

    def _asked(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        """What the API answers, or None when it is out of order."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        if answer.status_code not in EXPECTED:
            self.surprises.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code >= 400:
            return None
        found: dict[str, Any] = answer.json()
        return found


def _shas(manifest: dict[str, Any]) -> tuple[str, ...]:
    return tuple(shard["sha256"] for shard in manifest["shards"])
