"""Model bundles: immutable versions by digest, and the aliases that point to them.

registry/DIGEST/bundle.json + the files it names
                                     a bundle {generator, StyleMatte, thresholds, cards}
aliases/NAME.json                    {"aliases": {"champion": {digest, history}}}, moved by If-Match
training-states/SHA256.safetensors   what training it on takes; optional

A bundle's digest is the SHA-256 of its bundle.json, which names the SHA-256 of every file: nothing
in it can change.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from core import keys
from core.bundle import BUNDLE_FILE, GENERATOR_FILE, TRAINING_STATE_FILE, Bundle, load_bundle_folder
from core.conditional import JSON, change_record, read_record
from core.datasets.dataset import utcnow
from core.errors import (
    CheckpointRejected,
    NotFound,
    StateConflict,
    StoreUnavailable,
)
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen
from matteforge.schemas.names import DIGEST, MODEL_REFERENCE

CHAMPION = "champion"
CANDIDATE = "candidate"
SHIPPED = "shipped"
UNFINISHED = "fetch-"  # what a folder's name begins with while a bundle is fetched into it
BUNDLES_KEPT = 100  # remembered by a process


class AliasMove(Frozen):
    """One line of an alias's audit trail."""

    digest: str
    at: datetime
    reason: str
    actor: str = Field(
        "", description="who moved it: a training run, the hash of an API key, or a command"
    )


class Aliases(Frozen):
    """`aliases/NAME.json`: alias -> its moves, the last one is in force."""

    moves: dict[str, list[AliasMove]]

    def current(self, alias: str) -> str | None:
        return self.moves[alias][-1].digest if self.moves.get(alias) else None


class Registry:
    """Bundles and aliases in one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._bundles: dict[str, Bundle] = {}  # a digest's never changes

    def publish(self, folder: Path, *, alias: str = CHAMPION, reason: str = "published") -> Bundle:
        """Upload a bundle folder (files first, bundle.json last) and point `NAME@alias` to it. Safe
        to repeat.

        A training state beside it is kept under the SHA-256 of its generator.
        """
        bundle = load_bundle_folder(folder)
        self._keep_training_state(bundle, folder / TRAINING_STATE_FILE)
        prefix = f"{keys.REGISTRY}{_hex(bundle.digest)}/"
        for name in bundle.files:
            if self._store.head(prefix + name) is None:
                self._store.upload(prefix + name, folder / name)
        if self._store.head(prefix + BUNDLE_FILE) is None:
            self._store.put(prefix + BUNDLE_FILE, bundle.to_bytes(), content_type=JSON)
        self.move_alias(bundle.name, alias, bundle.digest, reason=reason)
        return bundle

    def publish_shipped(self, folder: Path) -> Bundle:
        """Publish a bundle that comes with the package as NAME@shipped.

        It becomes champion where there is none, or where the champion is the one shipped before:
        what was trained or promoted here stays.
        """
        name = load_bundle_folder(folder).name
        before = self._aliases(name)[0]
        bundle = self.publish(folder, alias=SHIPPED, reason="shipped with the package")
        if before.current(CHAMPION) in (None, before.current(SHIPPED)):
            self.promote(name, bundle.digest, reason="shipped", expected=before.current(CHAMPION))
        return bundle

    def training_state(self, digest: str, path: Path) -> bool:
        """Write the state from which a bundle's generator can be trained on to `path`. False: it
        was not kept."""
        key = keys.training_state(self.bundle(digest).files.get(GENERATOR_FILE, ""))
        if self._store.head(key) is None:
            return False
        with path.open("wb") as file:
            file.writelines(self._store.stream(key))
        return True

    def promote(
        self, name: str, digest: str, *, reason: str, actor: str = "", expected: str | None = None
    ) -> bool:
        """Make a bundle the champion. False: it was not `expected` (None: nothing) that was
        champion until now.

        NotFound when the digest is no version of this model.
        """
        if self.bundle(digest).name != name:
            raise NotFound(f"{digest} is not a version of {name!r}")
        if self._aliases(name)[0].current(CHAMPION) not in (expected, digest):
            return False
        self.move_alias(name, CHAMPION, digest, reason=reason, actor=actor)
        return True

    def rollback(self, name: str, *, reason: str, actor: str = "") -> AliasMove:
        """Make the bundle champion again that was it before the present one first came.
        StateConflict without one."""
        moves = self.aliases(name).moves.get(CHAMPION, [])
        first = next((i for i, move in enumerate(moves) if move.digest == moves[-1].digest), 0)
        if first == 0:
            raise StateConflict(f"{name} has no champion before the present one")
        self.move_alias(name, CHAMPION, moves[first - 1].digest, reason=reason, actor=actor)
        return self.aliases(name).moves[CHAMPION][-1]

    def move_alias(
        self, name: str, alias: str, digest: str, *, reason: str, actor: str = ""
    ) -> None:
        """Point NAME@alias to a digest, keeping the history. StateConflict when others keep moving
        it too."""

        def moved(there: Aliases | None) -> Aliases | None:
            moves = there.moves if there else {}
            if there and there.current(alias) == digest:
                return there
            move = AliasMove(digest=digest, at=utcnow(), reason=reason, actor=actor)
            return Aliases(moves={**moves, alias: [*moves.get(alias, []), move]})

        what = f"the alias {name}@{alias}"
        change_record(self._store, keys.aliases(name), Aliases, moved, what=what)

    def resolve(self, reference: str) -> str:
        """Digest of `name` (its champion), `name@alias` or `name@sha256:…`. NotFound with what
        would be right."""
        if re.fullmatch(MODEL_REFERENCE, reference) is None:
            raise NotFound(
                f"{reference!r} is no model reference; use name, name@alias or name@sha256:DIGEST"
            )
        name, _, version = reference.partition("@")
        version = version or CHAMPION
        aliases, etag = self._aliases(name)
        if etag is None:
            raise NotFound(
                f"there is no model {name!r}; known: {', '.join(self.names()) or 'none'}"
            )
        if version.startswith("sha256:"):
            if self.bundle(version).name != name:
                raise NotFound(f"{version} is not a version of {name!r}")
            return version
        digest = aliases.current(version)
        if digest is None:
            raise NotFound(
                f"{name!r} has no alias {version!r}; known: {', '.join(sorted(aliases.moves))}"
            )
        return digest

    def names(self) -> list[str]:
        return [
            key.removeprefix(keys.ALIASES).removesuffix(".json")
            for key in self._store.list_keys(keys.ALIASES)
        ]

    def aliases(self, name: str) -> Aliases:
        """Every alias of a model with its history. NotFound when there is no such model."""
        aliases, etag = self._aliases(name)
        if etag is None:
            raise NotFound(
                f"there is no model {name!r}; known: {', '.join(self.names()) or 'none'}"
            )
        return aliases

    def bundle(self, digest: str) -> Bundle:
        """The bundle of this digest, read once. NotFound when it was never published."""
        if known := self._bundles.get(digest):
            return known
        try:
            body, _ = self._store.get(f"{keys.REGISTRY}{_hex(digest)}/{BUNDLE_FILE}")
        except NotFound:
            raise NotFound(f"there is no bundle {digest}") from None
        if len(self._bundles) >= BUNDLES_KEPT:
            self._bundles.clear()
        try:
            bundle = Bundle.model_validate_json(body)
        except ValidationError as error:
            raise CheckpointRejected(f"what is stored as {digest} is no bundle: {error}") from error
        if bundle.digest != digest:
            raise CheckpointRejected(f"what is stored as {digest} is {bundle.digest}")
        self._bundles[digest] = bundle
        return bundle

    def fetch(self, digest: str, cache_dir: Path) -> Path:
        """Folder with the bundle's files, fetched once and verified; other processes may fetch into
        the same cache."""
        if re.fullmatch(DIGEST, digest) is None:
            raise NotFound(f"{digest[:100]!r} is no bundle's digest: sha256: and 64 hex digits")
        target = cache_dir / _hex(digest)
        if target.is_dir():
            return target
        bundle = self.bundle(digest)
        cache_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=cache_dir))
        (folder / BUNDLE_FILE).write_bytes(bundle.to_bytes())
        for name in bundle.files:
            with (folder / name).open("wb") as file:
                file.writelines(self._store.stream(f"{keys.REGISTRY}{_hex(digest)}/{name}"))
        if load_bundle_folder(folder).digest != digest:
            raise CheckpointRejected(f"what is stored as {digest} has another digest")
        try:
            os.replace(folder, target)
        except OSError:
            if not target.is_dir():
                raise StoreUnavailable(f"the bundle cache {cache_dir} can't be written") from None
        return target

    def versions(self, name: str) -> Iterator[tuple[str, str]]:
        """(alias, digest) pairs in force."""
        for alias, moves in sorted(self.aliases(name).moves.items()):
            yield alias, moves[-1].digest

    def _keep_training_state(self, bundle: Bundle, path: Path) -> None:
        if path.is_file() and (generator := bundle.files.get(GENERATOR_FILE)):
            key = keys.training_state(generator)
            if self._store.head(key) is None:
                self._store.upload(key, path)

    def _aliases(self, name: str) -> tuple[Aliases, str | None]:
        aliases, etag = read_record(self._store, keys.aliases(name), Aliases)
        return aliases or Aliases(moves={}), etag


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
