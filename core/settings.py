"""Deployment settings, from environment variables `MATTEFORGE_*`. Built once, in a composition
root."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the stores are and how patient the control plane is. Frozen."""

    model_config = SettingsConfigDict(env_prefix="MATTEFORGE_", frozen=True, extra="ignore")

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="broker, leases and live view"
    )
    s3_endpoint: str = Field("http://127.0.0.1:8333", description="as workers and the API reach it")
    s3_public_endpoint: str | None = Field(
        None, description="as users reach it: presigned URLs embed it"
    )
    s3_bucket: str = "matteforge"
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    api_key: SecretStr | None = Field(
        None, description="registered at start-up; one is made when there is none at all"
    )
    api_key_file: Path = Field(
        Path("matteforge-api-key"), description="where that one is kept: it is never printed"
    )
    flower_url: str | None = Field(
        None, description="where the API finds Flower, e.g. http://127.0.0.1:5555/flower"
    )
    flower_login: SecretStr | None = Field(
        None,
        description="USER:PASSWORD of Flower; with it admins see Flower at /flower/, without it "
        "the console links to its own address",
    )
    root_path: str = Field(
        "", pattern=r"^(/[\w.~-]+)*/?$", description="a prefix that a reverse proxy strips: /mf"
    )
    presign_expires_s: int = 24 * 3600
    shards_by_api: bool = Field(
        False,
        description="shards and files come from the API itself, with the key, for users who can't "
        "reach S3; by default URLs lead to S3",
    )

    # Limits of keys that have none of their own; null: none.
    requests_per_second: float | None = Field(1000, gt=0)
    samples_per_day: int | None = Field(10**8, gt=0)
    datasets_at_once: int | None = Field(1000, gt=0)
    bytes_stored: int | None = Field(None, gt=0, description="in shards of a tenant")
    retention_days: dict[str, float] = Field(
        default_factory=dict,
        description="days that datasets are kept, by label NAME=VALUE, `*` for all; JSON",
    )
    audit_days: float = Field(400, gt=0, description="that the audit trail is kept, at least")
    store_folder: Path | None = Field(
        None,
        description="a folder on the disk that the object store writes to, where the API can see "
        "it: what does not fit there is refused",
    )

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="auto: cuda when there is one, else cpu; batch sizes of new datasets are "
        "cuda's if it says cuda",
    )
    threads: int = Field(
        1, ge=1, description="torch CPU threads of a worker; fixed in the plan of new datasets"
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        description="candidates a forward pass; fixed in the plan of new datasets; default: by "
        "device class",
    )
    max_attempts_per_sample: int = Field(
        20, ge=1, description="candidates a sample before a shard gives up"
    )
    rendered: bool = Field(
        False,
        description="orders of rendered portraits are taken: a worker of the queue `render` is "
        "there",
    )
    webhook_private: bool = Field(
        False,
        description="webhooks may go to addresses of this network, and by http; for trials",
    )
    cache_dir: Path | None = Field(
        None, description="where workers keep fetched bundles; default: a temporary folder"
    )

    lease_ttl_s: float = Field(30, gt=0)
    lease_renew_s: float = Field(5, gt=0)
    reconcile_every_s: float = Field(5, gt=0)
    window: int = Field(
        8, ge=1, description="shard messages a dataset may have in the queue or in work"
    )
    ring_stale_s: float = Field(
        15, gt=0, description="a message unseen for so long while the queue is empty is sent again"
    )
    visibility_timeout_s: int = Field(
        6 * 3600, description="of the broker; recovery never waits for it"
    )
