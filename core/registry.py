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
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from core import keys
from core.aliases import Aliases, AliasMove, check_tenant
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
from core.tenants import HOUSE, MayRead, anything
from matteforge.schemas.names import DIGEST, MODEL_REFERENCE

CHAMPION = "champion"
CANDIDATE = "candidate"
SHIPPED = "shipped"
UNFINISHED = "fetch-"  # what a folder's name begins with while a bundle is fetched into it
BUNDLES_KEPT = 100  # remembered by a process


class Registry:
    """Bundles and aliases in one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._bundles: dict[str, Bundle] = {}  # a digest's never changes

    def publish(
        self,
        folder: Path,
        *,
        alias: str = CHAMPION,
        reason: str = "published",
        tenant: str | None = None,
        on_part: Callable[[str], object] = str,
    ) -> Bundle:
        """Upload a bundle folder (files first, bundle.json last) and point `NAME@alias` to it. Safe
        to repeat.

        tenant: whose it is; None: the house's, if it is new. StateConflict: another's. A training
        state beside it is kept under its generator's SHA-256. on_part: told each file that begins.
        """
        bundle = load_bundle_folder(folder)
        check_tenant(self.find(bundle.name), tenant)
        on_part("uploading the training state, if there is one")
        self._keep_training_state(bundle, folder / TRAINING_STATE_FILE)
        prefix = f"{keys.REGISTRY}{_hex(bundle.digest)}/"
        for name in bundle.files:
            on_part(f"uploading {name}")
            if self._store.head(prefix + name) is None:
                self._store.upload(prefix + name, folder / name)
        if self._store.head(prefix + BUNDLE_FILE) is None:
            self._store.put(prefix + BUNDLE_FILE, bundle.to_bytes(), content_type=JSON)
        self.move_alias(bundle.name, alias, bundle.digest, reason=reason, tenant=tenant)
        return bundle

    def publish_shipped(self, folder: Path) -> Bundle:
        """Publish a bundle that comes with the package as NAME@shipped.

        It becomes champion where there is none, or where the champion is the one shipped before:
        what was trained or promoted here stays.
        """
        name = load_bundle_folder(folder).name
        before = self.find(name) or Aliases(moves={})
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
        if self.aliases(name).current(CHAMPION) not in (expected, digest):
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
        self,
        name: str,
        alias: str,
        digest: str,
        *,
        reason: str,
        actor: str = "",
        tenant: str | None = None,
    ) -> None:
        """Point NAME@alias to a digest, keeping the history. StateConflict when others keep moving
        it too, or it is not this tenant's."""

        def moved(there: Aliases | None) -> Aliases | None:
            before = there or Aliases(moves={}, tenant=tenant or HOUSE)
            check_tenant(there, tenant)
            if before.current(alias) == digest:
                return before
            move = AliasMove(digest=digest, at=utcnow(), reason=reason, actor=actor)
            moves = {**before.moves, alias: [*before.moves.get(alias, []), move]}
            return before.model_copy(update={"moves": moves})

        what = f"the alias {name}@{alias}"
        change_record(self._store, keys.aliases(name), Aliases, moved, what=what)

    def resolve(self, reference: str, may_read: MayRead = anything) -> str:
        """Digest of `name` (its champion), `name@alias` or `name@sha256:…`. NotFound with what
        would be right."""
        if re.fullmatch(MODEL_REFERENCE, reference) is None:
            raise NotFound(
                f"{reference!r} is no model reference; use name, name@alias or name@sha256:DIGEST"
            )
        name, _, version = reference.partition("@")
        version = version or CHAMPION
        aliases = self.aliases(name, may_read)
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

    def names(self, may_read: MayRead = anything) -> list[str]:
        names = (
            key.removeprefix(keys.ALIASES).removesuffix(".json")
            for key in self._store.list_keys(keys.ALIASES)
        )
        if may_read is anything:
            return list(names)
        return [name for name in names if (found := self.find(name)) and may_read(found.tenant)]

    def aliases(self, name: str, may_read: MayRead = anything) -> Aliases:
        """Every alias of a model with its history. NotFound when there is no such model."""
        aliases = self.find(name)
        if aliases is None or not may_read(aliases.tenant):
            known = ", ".join(self.names(may_read)) or "none"
            raise NotFound(f"there is no model {name!r}; known: {known}")
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

    def fetch(self, digest: str, cache_dir: Path, on_part: Callable[[str], object] = str) -> Path:
        """Folder with the bundle's files, fetched once and verified; other processes may fetch into
        the same cache. on_part: told each file that begins."""
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
            on_part(f"fetching {name}")
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

    def find(self, name: str) -> Aliases | None:
        """Every alias of a model; None when there is no such model."""
        return read_record(self._store, keys.aliases(name), Aliases)[0]


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
