"""core.registry and core.keyring, on the memory store."""

import hashlib
import json

import pytest

from core.adapters.memory import MemoryStore
from core.bundle import Bundle, load_bundle_folder
from core.errors import CheckpointRejected, NotFound, StateConflict
from core.keyring import KeyRing, new_api_key
from core.registry import Registry


def make_bundle(folder, content: bytes = b"weights", name: str = "humans"):
    folder.mkdir()
    (folder / "generator.safetensors").write_bytes(content)
    files = {"generator.safetensors": hashlib.sha256(content).hexdigest()}
    bundle = Bundle(name=name, files=files, thresholds={"mad": 0.1}, resolution=64)
    (folder / "bundle.json").write_bytes(bundle.to_bytes())
    return folder


def test_a_published_bundle_is_found_by_every_kind_of_reference(tmp_path):
    registry = Registry(MemoryStore())
    bundle = registry.publish(make_bundle(tmp_path / "b"))
    for reference in ("humans", "humans@champion", f"humans@{bundle.digest}"):
        assert registry.resolve(reference) == bundle.digest
    assert registry.bundle(bundle.digest) == bundle
    assert list(registry.versions("humans")) == [("champion", bundle.digest)]


def test_a_truncation_of_its_own_is_part_of_a_bundle_and_none_is_not(tmp_path):
    folder = make_bundle(tmp_path / "b")
    older = json.loads((folder / "bundle.json").read_bytes())
    assert "truncation_psi" not in older
    bundle = load_bundle_folder(folder)
    with_psi = bundle.model_copy(update={"truncation_psi": 1.0})
    assert with_psi.digest != bundle.digest
    (folder / "bundle.json").write_bytes(with_psi.to_bytes())
    assert load_bundle_folder(folder).truncation_psi == 1.0


def test_a_bundle_is_read_once(tmp_path):
    store = MemoryStore()
    registry = Registry(store)
    bundle = registry.publish(make_bundle(tmp_path / "b"))
    assert registry.bundle(bundle.digest) == bundle
    store.delete(f"registry/{bundle.digest[7:]}/bundle.json")
    assert registry.bundle(bundle.digest) == bundle
    with pytest.raises(NotFound, match="no bundle"):
        Registry(store).bundle(bundle.digest)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("pets", "known: humans"),
        ("humans@second", "known: champion"),
        ("Humans!", "no model reference"),
        ("humans@sha256:" + "0" * 64, "no bundle"),
    ],
)
def test_an_unknown_reference_says_what_is_known(tmp_path, reference, says):
    registry = Registry(MemoryStore())
    registry.publish(make_bundle(tmp_path / "b"))
    with pytest.raises(NotFound, match=says):
        registry.resolve(reference)


def test_another_models_digest_is_not_a_version_of_this_one(tmp_path):
    registry = Registry(MemoryStore())
    registry.publish(make_bundle(tmp_path / "a"))
    other = registry.publish(make_bundle(tmp_path / "b", b"cats", "animals"))
    with pytest.raises(NotFound, match="not a version"):
        registry.resolve(f"humans@{other.digest}")


def test_an_alias_keeps_its_history_and_publishing_again_adds_nothing(tmp_path):
    registry = Registry(MemoryStore())
    first = registry.publish(make_bundle(tmp_path / "a"))
    second = registry.publish(make_bundle(tmp_path / "b", b"better"), reason="gate passed")
    registry.publish(tmp_path / "b")
    moves = registry.aliases("humans").moves["champion"]
    assert [(m.digest, m.reason) for m in moves] == [
        (first.digest, "published"),
        (second.digest, "gate passed"),
    ]


def test_a_shipped_bundle_is_champion_until_another_was_promoted(tmp_path):
    registry = Registry(MemoryStore())
    first = registry.publish_shipped(make_bundle(tmp_path / "a"))
    assert registry.resolve("humans") == registry.resolve("humans@shipped") == first.digest
    newer = registry.publish_shipped(make_bundle(tmp_path / "b", b"newer"))
    assert registry.resolve("humans") == newer.digest  # an upgrade of the package
    trained = registry.publish(make_bundle(tmp_path / "c", b"trained"), alias="candidate")
    assert registry.promote("humans", trained.digest, reason="gate passed", expected=newer.digest)
    for folder in ("b", "a"):  # started again; another package
        registry.publish_shipped(tmp_path / folder)
        assert registry.resolve("humans") == trained.digest


def test_a_training_state_is_kept_under_its_generator(tmp_path):
    registry = Registry(MemoryStore())
    without = registry.publish(make_bundle(tmp_path / "a"))
    (make_bundle(tmp_path / "b", b"better") / "training-state.safetensors").write_bytes(b"moments")
    bundle = registry.publish(tmp_path / "b")
    assert registry.training_state(bundle.digest, tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == b"moments"
    assert not registry.training_state(without.digest, tmp_path / "none")
    assert {p.name for p in registry.fetch(bundle.digest, tmp_path / "cache").iterdir()} == {
        "bundle.json",
        *bundle.files,
    }


def test_fetched_bytes_are_verified(tmp_path):
    store = MemoryStore()
    registry = Registry(store)
    bundle = registry.publish(make_bundle(tmp_path / "b"))
    folder = registry.fetch(bundle.digest, tmp_path / "cache")
    assert (folder / "generator.safetensors").read_bytes() == b"weights"
    assert registry.fetch(bundle.digest, tmp_path / "cache") == folder
    store.put(f"registry/{bundle.digest[7:]}/generator.safetensors", b"tampered")
    with pytest.raises(CheckpointRejected, match=r"generator\.safetensors has sha256"):
        registry.fetch(bundle.digest, tmp_path / "other-cache")
    assert bundle.digest[7:] not in [p.name for p in (tmp_path / "other-cache").iterdir()]


def test_a_bundle_with_a_missing_or_changed_file_is_refused(tmp_path):
    registry = Registry(MemoryStore())
    folder = make_bundle(tmp_path / "b")
    (folder / "generator.safetensors").write_bytes(b"changed")
    with pytest.raises(CheckpointRejected, match="its bundle says"):
        registry.publish(folder)
    (folder / "generator.safetensors").unlink()
    with pytest.raises(CheckpointRejected, match="lacks its file"):
        registry.publish(folder)


def test_only_hashes_of_keys_are_stored():
    store = MemoryStore()
    ring = KeyRing(store)
    assert ring.empty()
    key = new_api_key()
    ring.register(key)
    ring.register(key)
    assert ring.find(key).sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert ring.find(key + "x") is None
    stored = "".join(store.list_keys("")) + "".join(
        store.get(k)[0].decode() for k in store.list_keys("")
    )
    assert key not in stored


def test_rollback_walks_back_to_what_was_champion_before(tmp_path):
    registry = Registry(MemoryStore())
    digests = [
        registry.publish(make_bundle(tmp_path / name, name.encode())).digest for name in "abc"
    ]
    assert registry.rollback("humans", reason="worse", actor="me").digest == digests[1]
    assert registry.resolve("humans") == digests[1]
    assert registry.rollback("humans", reason="worse still").digest == digests[0]
    with pytest.raises(StateConflict, match="no champion before"):
        registry.rollback("humans", reason="and now?")
    moves = registry.aliases("humans").moves["champion"]
    assert [(m.digest, m.reason, m.actor) for m in moves[3:]] == [
        (digests[1], "worse", "me"),
        (digests[0], "worse still", ""),
    ]


def test_promotion_is_void_when_the_champion_is_not_the_expected_one(tmp_path):
    registry = Registry(MemoryStore())
    first = registry.publish(make_bundle(tmp_path / "a", b"a")).digest
    second = registry.publish(make_bundle(tmp_path / "b", b"b"), alias="candidate").digest
    assert not registry.promote("humans", second, reason="gate", expected=None)
    assert registry.resolve("humans") == first
    assert registry.promote("humans", second, reason="gate", expected=first)
    assert registry.promote("humans", second, reason="repeated", expected=first)
    assert [m.reason for m in registry.aliases("humans").moves["champion"]] == ["published", "gate"]
    with pytest.raises(NotFound, match="no bundle"):
        registry.promote("humans", "sha256:" + "0" * 64, reason="x", expected=second)
