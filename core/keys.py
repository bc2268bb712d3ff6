"""Every key in the bucket is spelled here."""

from core.datasets.sample import shard_name

DATASETS = "datasets/"
REGISTRY = "registry/"
ALIASES = "aliases/"
KEYRING = "keys/"
REVOKED_KEYS = "revoked-keys/"
CORPORA = "corpora/"
TRAINING_RUNS = "training-runs/"
TRAINING_ACTIVE = "training-active/"
LABELS = "labels/"
TRAINING_STATES = "training-states/"
SCHEDULES = "schedules/"
SESSIONS = "sessions/"
MATTES = "mattes/"
MATTE_BATCHES = "matte-batches/"
MATTE_BATCHES_ACTIVE = "matte-batches-active/"
INCOMING = "incoming/"
EXTENSIONS = "extensions/"
WEBHOOKS_PENDING = "webhooks/pending/"
WEBHOOKS_DELIVERIES = "webhooks/deliveries/"
WEBHOOKS_SECRETS = "webhooks/secrets/"
PROBES = "probes/"
AUDIT = "audit/"
GC = "gc/"
GC_SEEN = f"{GC}seen.json"


def request(dataset_id: str) -> str:
    return f"{DATASETS}{dataset_id}/request.json"


def dataset(dataset_id: str) -> str:
    return f"{DATASETS}{dataset_id}/"


def tombstone(dataset_id: str, kind: str) -> str:
    """kind: cancel, deleted, failed or damaged."""
    return f"{DATASETS}{dataset_id}/{kind}.json"


def expiry(dataset_id: str) -> str:
    return f"{DATASETS}{dataset_id}/expiry.json"


def manifest(dataset_id: str) -> str:
    return f"{DATASETS}{dataset_id}/manifest.json"


def selection(dataset_id: str) -> str:
    """Which samples of its parent a subset takes."""
    return f"{DATASETS}{dataset_id}/selection.json"


def extensions(dataset_id: str) -> str:
    """Where the next extension of a dataset begins."""
    return f"{EXTENSIONS}{dataset_id}.json"


def shards(dataset_id: str) -> str:
    return f"{DATASETS}{dataset_id}/shards/"


def shard_tar(dataset_id: str, shard: int) -> str:
    return shards(dataset_id) + shard_name(shard)


def shard_record(dataset_id: str, shard: int) -> str:
    return f"{shards(dataset_id)}{shard:06d}.json"


def record_blocks(dataset_id: str) -> str:
    return f"{DATASETS}{dataset_id}/records/"


def record_block(dataset_id: str, block: int) -> str:
    """Records of shards 1000 * block to 1000 * block + 999."""
    return f"{record_blocks(dataset_id)}{block:03d}.jsonl"


def sample_index(dataset_id: str, shard: int) -> str:
    """What lies where in one shard: a Parquet table, a row a sample."""
    return f"{DATASETS}{dataset_id}/samples/{shard:06d}.parquet"


def rejected_folder(dataset_id: str) -> str:
    return f"{DATASETS}{dataset_id}/rejected/"


def rejected_examples(dataset_id: str, shard: int) -> str:
    """Small pictures of candidates of one shard that were not delivered."""
    return f"{rejected_folder(dataset_id)}{shard:06d}.json"


def companion(dataset_id: str, name: str) -> str:
    """A file that lies beside the shards when they are downloaded, e.g. samples.parquet."""
    return f"{DATASETS}{dataset_id}/files/{name}"


def corpus_manifest(name: str) -> str:
    return f"{CORPORA}{name}/manifest.json"


def corpus_shard(name: str, shard: str) -> str:
    return f"{CORPORA}{name}/shards/{shard}"


def training_run(run_id: str, name: str) -> str:
    """name: request.json, cancel.json, progress.json, end.json, or a path below stages/ or
    files/."""
    return f"{TRAINING_RUNS}{run_id}/{name}"


def training_state(generator_sha256: str) -> str:
    """What it takes to train the generator with these bytes on."""
    return f"{TRAINING_STATES}{generator_sha256}.safetensors"


def aliases(name: str) -> str:
    return f"{ALIASES}{name}.json"


def schedule(domain: str) -> str:
    return f"{SCHEDULES}{domain}.json"


def matte(matte_id: str, name: str) -> str:
    """name: order.json, image, background, result.png or outcome.json; empty: their folder."""
    return f"{MATTES}{matte_id}/{name}"


def matte_batch(batch_id: str, name: str) -> str:
    """name: order.json, archive.zip, background, pictures.json, cancel.json, end.json, results.zip,
    or a path below sources/, results/ or parts/; empty: their folder."""
    return f"{MATTE_BATCHES}{batch_id}/{name}"


def incoming(tenant: str, prefix: str) -> str:
    """Where a tenant's own pictures lie: the only place that a batch may read from."""
    return f"{INCOMING}{tenant}/{prefix}"


def webhook_deliveries(tenant: str) -> str:
    return f"{WEBHOOKS_DELIVERIES}{tenant}/"


def webhook_delivery(tenant: str, delivery_id: str) -> str:
    return f"{webhook_deliveries(tenant)}{delivery_id}.json"


def webhook_secret(tenant: str) -> str:
    return f"{WEBHOOKS_SECRETS}{tenant}.json"
