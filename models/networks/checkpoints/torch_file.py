"""What `torch.save` wrote, in both of its formats, read without running anything in it.

The zip format holds `data.pkl` and one file of raw values a storage; the older one holds them one
behind the other. Only values that are there are believed: members must be stored, not packed.
"""

import io
import struct
import zipfile
from typing import Any

import torch

from core.errors import CheckpointRejected
from models.networks.checkpoints.inert_pickle import (
    STORAGES,
    TENSOR,
    Reader,
    Record,
    flat_values,
    rejected,
    tensor_of,
    unwrapped,
)

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # its magic number, pickled
DEEPEST = 8  # dicts within dicts that are looked at

Storages = dict[str, torch.Tensor]


def is_torch_file(content: bytes) -> bool:
    return content.startswith((ZIP_MAGIC, LEGACY_MAGIC))


def is_whole_torch_file(content: bytes) -> bool:
    """Not a zip that ends early, or one of other things."""
    if not content.startswith(ZIP_MAGIC):
        return is_torch_file(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inner = {name.partition("/")[2] for name in archive.namelist()}
    except zipfile.BadZipFile:
        return False
    return "data.pkl" in inner and not any(name.startswith("code/") for name in inner)


def read_torch_file(content: bytes, name: str) -> Any:
    """Nested dicts with tensors on the CPU, dtypes as stored; whatever is neither stays a record.

    Raises CheckpointRejected, naming the reason.
    """
    try:
        tree, storages = _zipped(content) if content.startswith(ZIP_MAGIC) else _legacy(content)
        return _resolved(tree, storages, "", 0)
    except CheckpointRejected as error:
        raise CheckpointRejected(
            f"{name} is not a file of weights alone: {error}. Where you trust it, save the state "
            "alone: torch.save(network.state_dict(), FILE)"
        ) from error
    except Exception as error:  # a hostile or broken stream can raise anything
        raise CheckpointRejected(
            f"{name} is not a file of weights: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _zipped(content: bytes) -> tuple[Any, Storages]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        for info in infos.values():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(content):
                raise rejected(f"its member {info.filename} is packed; torch packs none")
        if "data.pkl" not in infos:
            raise rejected("it is a zip without data.pkl")
        if "byteorder" in infos and archive.read(infos["byteorder"]) != b"little":
            raise rejected("its numbers are big-endian")
        reader = _StorageReader(io.BytesIO(archive.read(infos["data.pkl"])))
        tree = reader.load()
        storages = {}
        for key, (kind, count) in reader.described.items():
            if f"data/{key}" not in infos:
                raise rejected(f"its storage {key} is missing")
            storages[key] = flat_values(archive.read(infos[f"data/{key}"]), kind, count)
    return tree, storages


def _legacy(content: bytes) -> tuple[Any, Storages]:
    file = io.BytesIO(content)
    _, _, system = (Reader(file).load() for _ in range(3))
    if system.get("little_endian") is not True:
        raise rejected("its numbers are big-endian")
    reader = _StorageReader(file)
    tree = reader.load()
    storages = {}
    for key in Reader(file).load():
        kind, declared = reader.described[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != declared:
            raise rejected(f"a storage declares {declared} and {count} values")
        size = count * STORAGES[kind.origin].itemsize
        storages[key] = flat_values(file.read(size), kind, count)
    return tree, storages


class _StorageReader(Reader):
    """Notes what the storages are called and of which type they are."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.described: dict[str, tuple[Any, int]] = {}

    def persistent_load(self, pid: Any) -> str:
        tag, kind, key, _, count, *_ = pid
        kind = kind if isinstance(kind, type) else type(kind)
        if tag != "storage" or not isinstance(key, str):
            raise rejected(f"it refers to a {tag!r}")
        self.described[key] = (kind, count)
        return key


def _resolved(tree: Any, storages: Storages, name: str, depth: int) -> Any:
    tree = unwrapped(tree)
    if isinstance(tree, Record) and tree.origin == TENSOR:
        return tensor_of(tree, storages[tree.args[0]], name)
    if isinstance(tree, dict) and depth < DEEPEST:
        return {
            key: _resolved(value, storages, f"{name}.{key}", depth + 1)
            for key, value in tree.items()
        }
    return tree
