"""What takes bytes from others, as functions that a fuzzer can call: each may refuse them with an
error of its own kind, and do nothing else."""

import base64
import io
import json
import pickle
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import safetensors.torch
import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from core.adapters.live_view_rules import decode_cursor
from core.datasets.plan import make_plan
from core.datasets.sample_filter import SampleFilter
from core.datasets.sample_table import BASE, index_shard
from core.errors import CheckpointRejected, InvalidCursor, InvalidQuery, InvalidSpec, ShardCorrupt
from matteforge.schemas.corpora import CorpusKind
from matteforge.schemas.orders import AnySpec
from models.corpora.reader import read_checked
from models.imaging.decode import UndecodablePicture, decode_picture
from models.networks.checkpoints.checkpoint import load_checkpoint
from models.networks.checkpoints.import_snapshot import import_file
from service.routes import shards
from service.samples import InMemory, select
from workers.shards.read import read_shard

HOME = Path(tempfile.mkdtemp(prefix="matteforge-fuzz-", dir="/dev/shm"))
SPEC: TypeAdapter[AnySpec] = TypeAdapter(AnySpec)
SCHEMA = pa.schema([*BASE, ("iou", pa.float64()), ("hair", pa.string())])
MAX_PIXELS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Target:
    """`call` takes any bytes and raises one of `refusals`, or nothing."""

    call: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]

    def __call__(self, data: bytes) -> bool:
        """True when the bytes were taken."""
        with suppress(*self.refusals):
            self.call(data)
            return True
        return False


def _file(data: bytes, name: str) -> Path:
    path = HOME / name
    path.write_bytes(data)
    return path


def _import(data: bytes) -> None:
    out = HOME / "imported"
    out.unlink(missing_ok=True)
    import_file(_file(data, "weights"), out=out)


def _tar(data: bytes) -> None:
    with suppress(ShardCorrupt):
        index_shard(_file(data, "000000.tar"))
    for _ in read_shard(_file(data, "000000.tar")):
        pass


def _corpus(data: bytes) -> None:
    for kind in CorpusKind:
        for name in ("corpus.tar", "corpus.zip"):
            for _ in read_checked([_file(data, name)], kind, 64):
                pass


def _order(data: bytes) -> None:
    spec = SPEC.validate_json(data)
    make_plan(
        spec, seed=spec.seed or 0, bundle="sha256:" + "0" * 64, thresholds={"mad": 0.05},
        batch_size=4, threads=1, max_attempts_per_sample=20,
    )  # fmt: skip


ROWS = [
    {"key": str(n), "seed": 2**62 + n, "iou": n / 3, "hair": "long", "psi": 0.7} for n in range(3)
]
TABLE = InMemory(pa.Table.from_pylist(ROWS, SCHEMA))


def _cursor(data: bytes) -> None:
    """The bytes as they are, and as what a cursor's base64 stands for."""
    coded = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for text in (data.decode("utf-8", "replace"), coded):
        for order in ("key", "-iou", "seed", "hair"):
            with suppress(InvalidCursor):
                select(TABLE, where=None, order=order, cursor=text, limit=2)
        for decode in (decode_cursor, shards._decode):
            with suppress(InvalidCursor):
                decode(text)


def _filter(data: bytes) -> None:
    where, _, order = data.decode("utf-8", "replace").partition("\n")
    SampleFilter(where, SCHEMA).mask(TABLE.columns(SCHEMA.names))
    select(TABLE, where=where, order=order[:100] or "key", cursor=None, limit=2)


def _torch_files() -> list[bytes]:
    found = []
    for zipped in (True, False):
        out = io.BytesIO()
        state = {"state": {"pixel_decoder.w": torch.zeros(4), "n": torch.ones(2, 2).half()}}
        torch.save(state, out, _use_new_zipfile_serialization=zipped)
        found.append(out.getvalue())
    return [*found, pickle.dumps({"G_ema": {"a": [1, 2.0, "x", b"y", None, (True,)]}}, protocol=2)]


def _checkpoints() -> list[bytes]:
    header = {"kind": "stylematte", "format_version": 1, "config": {}, "extra": {}}
    named = {"matteforge": json.dumps(header)}
    state = {"w": torch.zeros(2, 3), "b": torch.ones(1, dtype=torch.float16)}
    return [safetensors.torch.save(state, metadata=named), safetensors.torch.save(state)]


def _pictures() -> list[bytes]:
    found = []
    rgba = np.arange(8 * 8 * 4, dtype=np.uint8).reshape(8, 8, 4)
    for kind, mode in (
        ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "RGB"), ("JPEG", "CMYK"),
        ("WEBP", "RGBA"), ("BMP", "RGB"), ("TIFF", "LA"), ("TIFF", "F"), ("GIF", "P"),
    ):  # fmt: skip
        out = io.BytesIO()
        image = Image.fromarray(rgba)
        image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
        image.save(out, kind)
        found.append(out.getvalue())
    return found


def _tars() -> list[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, body in (
            ("00000000000.alpha.png", _pictures()[2]),
            ("00000000000.image.png", _pictures()[0]),
            ("00000000000.json", b'{"key": "00000000000"}'),
            ("people/a/b.jpg", _pictures()[3]),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return [out.getvalue()[:8192]]


ORDERS = [
    b'{"count": 64, "seed": 1, "filter": {"mad": 0.05}, "labels": {"a": "b"}}',
    b'{"count": 200, "source": "rendered", "size": 256, "members": ["fg", "trimap"],'
    b' "attributes": {"hair": {"long": 0.5, "bald": 0.1}, "glasses": 0.3}}',
    b'{"count": 9, "splits": {"train": 0.9, "test": 0.1}, "truncation_psi": 1e-3,'
    b' "shard_size": 2, "image_format": "webp", "alpha_bits": 16, "background": "#00ff00"}',
]
CURSORS = [
    b"s12",
    b'["key", "1", "1"]',
    b'["-iou", 0.5, "1"]',
    b'["seed", 4611686018427387905, "1"]',
]
FILTERS = [
    b"iou > 0.98 and not (0.4 < psi <= 1e3 or hair == 'long')\n-iou",
    b"seed == 4611686018427387905 or -1 != width\nkey",
]

TARGETS = {
    "importer": Target(call=_import, refusals=(CheckpointRejected,), seeds=_torch_files),
    "safetensors": Target(
        call=lambda data: load_checkpoint(_file(data, "checkpoint"), kind="stylematte"),
        refusals=(CheckpointRejected,),
        seeds=_checkpoints,
    ),
    "tar": Target(call=_tar, refusals=(ShardCorrupt,), seeds=_tars),
    "corpus": Target(call=_corpus, refusals=(), seeds=_tars),
    "images": Target(
        call=lambda data: decode_picture(data, MAX_PIXELS),
        refusals=(UndecodablePicture,),
        seeds=_pictures,
    ),
    "orders": Target(
        call=_order, refusals=(ValidationError, InvalidSpec), seeds=lambda: list(ORDERS)
    ),
    "cursors": Target(call=_cursor, refusals=(), seeds=lambda: list(CURSORS)),
    "filters": Target(call=_filter, refusals=(InvalidQuery,), seeds=lambda: list(FILTERS)),
}
