"""What the stages of a run share beside the job: models, corpora, and where both are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from core.corpora import CorpusBook
from core.registry import Registry
from core.tars import read_members
from matteforge.schemas.corpora import Split
from workers.cycle.fetch_corpus import fetch_split
from workers.cycle.job import Job


@dataclass(frozen=True, kw_only=True)
class StageContext:
    registry: Registry
    book: CorpusBook
    cache: Path  # of bundles, corpora and photographs
    device: torch.device  # of the worker: every stage's networks run on it
    threads: int

    def bundle(self, digest: str) -> Path:
        """Folder of a bundle."""
        return self.registry.fetch(digest, self.cache / "bundles")

    def tars(self, job: Job, names: Iterable[str], split: Split) -> list[Path]:
        """The shards of one split of some of the run's corpora, as they were when the run was
        ordered."""
        found = []
        for name in names:
            manifest = job.record.corpora[name]
            found += fetch_split(self.book, manifest, split, self.cache / "corpora" / name)
        return found

    def photos(self, job: Job, split: Split) -> list[Path]:
        """Photographs of the background corpora as files."""
        found: list[Path] = []
        for tar in self.tars(job, job.spec.backgrounds, split):
            folder = self.cache / "photos" / tar.stem
            if not folder.is_dir():
                partial = folder.with_suffix(".partial")
                partial.mkdir(parents=True, exist_ok=True)
                for name, content in read_members(tar):
                    if ".image." in name:
                        (partial / Path(name).name).write_bytes(content)
                partial.replace(folder)
            found += sorted(folder.iterdir())
        return found
