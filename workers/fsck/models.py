"""Check what datasets are made with and of: bundles, aliases and corpora. Nothing is removed here:
what is unfinished may be under way.
"""

import json
from collections.abc import Iterator

from pydantic import ValidationError

from core import keys
from core.aliases import Aliases
from core.bundle import BUNDLE_FILE
from core.corpora import CorpusManifest
from core.errors import MatteForgeError
from core.ports import ObjectStore
from core.registry import Registry
from workers.fsck.findings import Finding, Pace, Problem, compare_object


def check_bundles(store: ObjectStore, pace: Pace) -> Iterator[Finding]:
    """Each published file against the SHA-256 that its bundle names; each alias against bundles."""
    registry, whole = Registry(store), set()
    for folder in list(store.list_folders(keys.REGISTRY)):
        prefix = f"{keys.REGISTRY}{folder}/"
        try:
            files = registry.bundle(f"sha256:{folder}").files
        except MatteForgeError:
            lost = store.head(prefix + BUNDLE_FILE) is None
            yield Finding(
                key=prefix + BUNDLE_FILE,
                problem=Problem.MISSING if lost else Problem.UNREADABLE,
            )
            continue
        whole.add(f"sha256:{folder}")
        for name, sha256 in files.items():
            if problem := compare_object(
                store, prefix + name, size_bytes=None, sha256=sha256, pace=pace
            ):
                yield Finding(key=prefix + name, problem=problem)
        for name in store.list_names(prefix):
            if name not in files and name != BUNDLE_FILE:
                yield Finding(key=prefix + name, problem=Problem.ORPHAN)
    for key in list(store.list_keys(keys.ALIASES)):
        try:
            moves = Aliases.model_validate_json(store.get(key)[0]).moves
        except ValidationError:
            yield Finding(key=key, problem=Problem.UNREADABLE)
            continue
        for alias in moves.values():
            if alias and alias[-1].digest not in whole:
                named = f"{keys.REGISTRY}{alias[-1].digest.removeprefix('sha256:')}/{BUNDLE_FILE}"
                yield Finding(key=named, problem=Problem.MISSING)


def check_corpus_shards(store: ObjectStore, pace: Pace) -> Iterator[Finding]:
    """Each corpus's shards against its manifest."""
    for name in list(store.list_folders(keys.CORPORA)):
        key = keys.corpus_manifest(name)
        try:
            manifest = CorpusManifest.model_validate_json(store.get(key)[0])
        except (MatteForgeError, ValidationError, json.JSONDecodeError):
            yield Finding(key=key, problem=Problem.UNREADABLE)
            continue
        known = set()
        for shard in manifest.shards:
            tar = keys.corpus_shard(name, shard.name)
            stem = shard.name.removesuffix(".tar")
            known |= {shard.name, f"{stem}.json", f"{stem}.looks"}
            if problem := compare_object(
                store, tar, size_bytes=shard.size_bytes, sha256=shard.sha256, pace=pace
            ):
                yield Finding(key=tar, problem=problem)
        for file in store.list_names(keys.corpus_shard(name, "")):
            if file not in known:
                yield Finding(key=keys.corpus_shard(name, file), problem=Problem.ORPHAN)
