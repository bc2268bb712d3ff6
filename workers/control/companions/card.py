"""README.md: the dataset's card, as the Hugging Face hub and `datasets` read it."""

import json
from collections.abc import Mapping
from typing import Any

from core.datasets.manifest import DatasetRecord, ManifestHead
from matteforge.schemas.orders import PRIVATE_FIELDS
from workers.control.companions.features import Feature
from workers.control.companions.licence import Licence

SIZES = ((1000, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
         (10**7, "1M<n<10M"), (10**8, "10M<n<100M"))  # fmt: skip
TAGS = ("matting", "alpha-matte", "portrait", "synthetic", "webdataset", "matteforge")
IMAGES = {"png": "image.png", "webp": "image.webp", "jpeg": "image.jpg"}


def front_matter(
    record: DatasetRecord,
    head: ManifestHead,
    splits: Mapping[str, tuple[int, int]],
    features: list[Feature],
    licence: Licence,
) -> dict[str, Any]:
    """What machines read; splits: (samples, bytes) of each."""
    shown = {name: counts for name, counts in splits.items() if counts[0]}
    files = [
        {"split": split, "path": f"{split}-*.tar" if record.plan.splits else "[0-9]*.tar"}
        for split in shown
    ]
    infos = [
        {"name": split, "num_examples": samples, "num_bytes": size_bytes}
        for split, (samples, size_bytes) in shown.items()
    ]
    total_bytes = sum(size_bytes for _, size_bytes in shown.values())
    shown_in_them = [record.plan.render.domain] if record.plan.render else []
    size = next((name for limit, name in SIZES if head.counts.accepted < limit), "100M<n<1B")
    return {
        "license": licence.code,
        **({"license_name": licence.text} if licence.code == "other" else {}),
        "pretty_name": f"MatteForge {record.spec.source} portraits",
        "task_categories": ["image-segmentation"],
        "tags": [*TAGS, *shown_in_them],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {
            "features": features,
            "splits": infos,
            "download_size": total_bytes,
            "dataset_size": total_bytes,
        },
    }


def card(
    record: DatasetRecord, head: ManifestHead, meta: Mapping[str, Any], scores: Mapping[str, str]
) -> str:
    """The whole file. Each field of the front matter is one line of JSON, which is YAML, too."""
    fields = {name: json.dumps(value, sort_keys=True) for name, value in meta.items()}
    lines = "\n".join(f"{name}: {value}" for name, value in fields.items())
    spec = record.spec.model_dump(mode="json", exclude=set(PRIVATE_FIELDS))
    image = IMAGES[record.plan.image_format]
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in scores.items())
    return f"""---
{lines}
---

# {head.counts.accepted} {record.spec.source} portraits with alpha

Made by MatteForge, dataset `{head.id}`, which {_ended(head)}. Nothing in these pictures exists:
{_source(record)}

{_reading(image)}

{_files(record, image)}

## Scores

Median, and from the 1st to the 99th percentile.

| score | of the samples delivered |
|---|---|
{rows}

{head.counts.attempted} candidates were looked at; rejected: {_rejected(head)}.

## The order

```json
{json.dumps(spec, sort_keys=True)}
```

Model bundle `{record.plan.bundle}`.
The same order with the same seed, bundle and hardware gives the same bytes.
"""


def _reading(image: str) -> str:
    return f"""## Read it

```python
from glob import glob
import webdataset as wds
from matteforge.webdataset import decode  # keeps every bit of alpha, as float32 in [0, 1]

for sample in wds.WebDataset(sorted(glob("*.tar")), shardshuffle=False).map(decode):
    image, alpha = sample["image"], sample["alpha"]
```

```python
from datasets import load_dataset

rows = load_dataset(".")  # in this folder; columns: {image}, alpha.png, json, ...
```"""


def _files(record: DatasetRecord, image: str) -> str:
    bits = record.plan.alpha_bits
    return f"""## Files

| file | what |
|---|---|
| `*.tar` | shards: `KEY.{image}`, `KEY.alpha.png` ({bits} bits), `KEY.json`{_more(record)} |
| `samples.parquet` | a row a sample: where its members lie, seed, scores, thresholds, digests |
| `manifest.json` | the order, its plan, counts, SHA-256 of each shard |
| `index.json` | for `wids`: random access |
| `croissant.json` | Croissant metadata |
| `preview.webp`, `report.html` | a first look, and a longer one |"""


def _ended(head: ManifestHead) -> str:
    return f"is {head.state.value}" if head.error is None else f"failed: {head.error.detail}"


def _source(record: DatasetRecord) -> str:
    if record.plan.render:
        return "each one was built and rendered; alpha, and all else that was ordered, is exact."
    return "StyleMatteGAN drew them with their alpha, and StyleMatte agreed."


def _more(record: DatasetRecord) -> str:
    return "".join(f", `{name}`" for name in record.plan.members)


def _rejected(head: ManifestHead) -> str:
    found = sorted(head.counts.rejected.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} by `{name}`" for name, count in found) or "none"
