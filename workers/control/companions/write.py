"""Write every companion of a dataset, just before the manifest that ends it."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core import keys
from core.datasets.manifest import DatasetRecord, ManifestHead, ShardRecord
from core.datasets.rejects import RejectedExample, dataset_examples
from core.datasets.sample_table import member_name, score_names
from core.datasets.sample_tables import PARQUET, SampleTables
from core.datasets.splits import samples_by_split
from core.ports import ObjectStore
from matteforge.schemas.criteria import BY_NAME, CRITERIA
from workers.control.companions.card import card, front_matter
from workers.control.companions.croissant import croissant, wids_index
from workers.control.companions.features import sample_features
from workers.control.companions.licence import stated_licence
from workers.control.companions.report import data_uri, report, summary
from workers.control.companions.table import SHOWN, extremes, histogram, join_tables, repeated

log = logging.getLogger(__name__)
MAX_SAMPLES = 2_000_000  # of a dataset whose tables are joined; larger ones keep one a shard
FACTS_READ = 64  # samples whose JSON decides the declared types
Records = Callable[[], Iterable[ShardRecord]]


def write_companions(
    store: ObjectStore, record: DatasetRecord, head: ManifestHead, shards: Records
) -> None:
    """Everything of `COMPANIONS` but the preview, which a worker drew. Overwrites what an earlier
    try left. A dataset without samples, or with more than MAX_SAMPLES, gets none."""
    if not 0 < head.counts.accepted <= MAX_SAMPLES:
        return
    with TemporaryDirectory(prefix="matteforge-companions-") as folder:
        table = Path(folder) / "samples.parquet"
        tables = SampleTables(store).each(record.id, (shard.shard for shard in shards()))
        schema = join_tables(tables, table)
        _Companions(store, record, head, list(shards()), table, schema).write()


class _Companions:
    """One dataset's files, made from its joined table."""

    def __init__(
        self,
        store: ObjectStore,
        record: DatasetRecord,
        head: ManifestHead,
        shards: list[ShardRecord],
        table: Path,
        schema: pa.Schema,
    ) -> None:
        self._store, self._record, self._head = store, record, head
        self._shards, self._table, self._schema = shards, table, schema

    def write(self) -> None:
        record, head = self._record, self._head
        sha256 = hashlib.sha256(self._table.read_bytes()).hexdigest()
        licence = stated_licence(self._store, record)
        meta = front_matter(record, head, self._splits(), self._features(), licence)
        described = croissant(record, head, self._shards, (self._schema, sha256), licence)
        texts = {
            "README.md": ("text/markdown", card(record, head, meta, self._scores())),
            "croissant.json": ("application/json", json.dumps(described, indent=1)),
            "index.json": ("application/json", json.dumps(wids_index(head, self._shards))),
            "report.html": ("text/html", self._report()),
        }
        self._store.upload(
            keys.companion(record.id, self._table.name), self._table, content_type=PARQUET
        )
        for name, (content_type, text) in texts.items():
            self._store.put(
                keys.companion(record.id, name), text.encode(), content_type=content_type
            )

    def _splits(self) -> dict[str, tuple[int, int]]:
        """(samples, bytes) by split, as committed."""
        plan = self._record.plan
        found = dict.fromkeys(samples_by_split(plan.count, plan.splits), (0, 0))
        for shard in self._shards:
            split = plan.part(shard.shard).split
            samples, size_bytes = found[split]
            found[split] = samples + shard.samples, size_bytes + shard.size_bytes
        return found

    def _features(self) -> list[dict[str, Any]]:
        rows = pq.ParquetFile(self._table).read_row_group(0).slice(0, FACTS_READ).to_pylist()
        suffixes = [rows[0][name] for name in self._schema.names if name.endswith("_file")]
        facts = {
            suffix: [json.loads(self._member(row, member_name(suffix))) for row in rows]
            for suffix in suffixes
            if suffix.endswith("json")
        }
        return sample_features(suffixes, facts)

    def _scores(self) -> dict[str, str]:
        columns = pq.read_table(self._table, columns=score_names(self._schema))
        return {
            name: summary(pc.quantile(columns[name], q=[0.01, 0.5, 0.99]).to_pylist())
            for name in columns.column_names
            if columns[name].null_count < columns.num_rows
        }

    def _report(self) -> str:
        names = score_names(self._schema)
        limits = self._record.plan.thresholds
        found = [
            histogram(
                self._table,
                name,
                {c.name: (c.bound, limits[c.name]) for c in CRITERIA
                 if c.score == name and c.name in limits},
            )
            for name in names
        ]  # fmt: skip
        score = next((name for name in ("iou", "coverage") if name in names), names[0])
        rows = extremes(self._table, score, best_is_high=True)
        titles = {"best": f"Highest {score}", "borderline": f"Lowest {score}"}
        pictures: dict[str, list[tuple[str, ...]]] = {
            titles[name]: [self._picture(row, score) for row in part] for name, part in rows.items()
        }
        pictures |= self._rejected()
        facts = {"repeated alphas": f"{repeated(self._table)} of {self._head.counts.accepted}"}
        return report(self._record, self._head, found, pictures, facts)

    def _rejected(self) -> dict[str, list[tuple[str, ...]]]:
        """Pictures of what was not delivered, by reason, the most frequent first."""
        examples = dataset_examples(self._store, self._record.id)
        counts = self._head.counts.rejected
        return {
            f"Rejected: {reason}, {counts[reason]} candidates": [
                _rejected_figure(example) for example in examples if example.reason == reason
            ][:SHOWN]
            for reason in sorted(counts, key=lambda name: -counts[name])
        }

    def _picture(self, row: dict[str, Any], score: str) -> tuple[str, ...]:
        image, alpha = (
            data_uri(row[f"{name}_file"], self._member(row, name)) for name in ("image", "alpha")
        )
        return image, alpha, f"{row['key']}: {score} {row[score]:.4g}"

    def _member(self, row: dict[str, Any], name: str) -> bytes:
        shard = row["shard"] - self._record.plan.first_shard
        tar = keys.shard_tar(self._record.id, shard)
        return self._store.get_range(tar, row[f"{name}_offset"], row[f"{name}_size"])


def _rejected_figure(example: RejectedExample) -> tuple[str, ...]:
    looked_at = BY_NAME[example.reason].score if example.reason in BY_NAME else ""
    score = f", {looked_at} {example.scores[looked_at]:.4g}" if looked_at in example.scores else ""
    return data_uri(
        "webp", example.webp
    ), f"shard {example.shard}, attempt {example.attempt}{score}"
