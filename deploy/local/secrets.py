"""The secrets of one data directory: drawn once, kept in a file that only its owner may read."""

import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from core.keyring import new_api_key
from deploy.local.program import write_private


def _token() -> str:
    return secrets.token_hex(24)


class Secrets(BaseModel):
    """Every password and key of the embedded stack."""

    model_config = ConfigDict(frozen=True)

    api_key: str = Field(default_factory=new_api_key)
    valkey_password: str = Field(default_factory=_token)
    s3_access_key: str = Field(default_factory=lambda: secrets.token_hex(10))
    s3_secret_key: str = Field(default_factory=_token)
    s3_signing_keys: tuple[str, str, str] = Field(
        default_factory=lambda: (_token(), _token(), _token())
    )
    flower_password: str = Field(default_factory=_token)

    @classmethod
    def of(cls, path: Path, *, api_key: str | None = None) -> Self:
        """Those in the file, made when there is none; `api_key` replaces the one that would be
        drawn or read."""
        kept = cls.model_validate_json(path.read_bytes()) if path.exists() else cls()
        if api_key is not None:
            kept = kept.model_copy(update={"api_key": api_key})
        write_private(path, kept.model_dump_json(indent=1) + "\n")
        return kept
