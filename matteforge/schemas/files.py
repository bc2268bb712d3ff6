"""Wire schemas of the files beside a dataset's shards."""

from pydantic import Field

from matteforge.schemas.base import Wire

FILES = (
    "README.md",
    "croissant.json",
    "index.json",
    "preview.webp",
    "report.html",
    "samples.parquet",
)
"""What a dataset that has ended explains itself by."""


class FileOut(Wire):
    """One file; it goes into the folder of the shards."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", examples=["samples.parquet"])
    size_bytes: int
    url: str = Field(description="presigned: needs no key, expires")


class FileList(Wire):
    """The files that are there: of a dataset that is still made, the preview at most."""

    items: list[FileOut]
