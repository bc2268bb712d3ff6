"""The card and the index of a dataset of which a part is on disk: readers open what they name."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from matteforge.folder import write_whole


def fit_to_folder(folder: Path, shards: Collection[str]) -> None:
    """Take out of README.md and index.json what is not on disk of a dataset's `shards`:
    Hugging Face's `datasets` and `wids` refuse a folder that lacks a split or a shard they name."""
    there = {name for name in shards if (folder / name).exists()}
    if len(there) == len(shards):
        return
    splits = {split_of(name) for name in there}
    for name, fitted in (("README.md", _card), ("index.json", _index)):
        if (folder / name).exists():
            text = (folder / name).read_text("utf-8")
            write_whole(folder / name, fitted(text, there, splits).encode())


def split_of(shard: str) -> str:
    """A shard's split; a dataset that was ordered without splits is all `train`."""
    return shard.rpartition("-")[0] or "train"


def _index(text: str, there: set[str], _: set[str]) -> str:
    index = json.loads(text)
    index["shardlist"] = [shard for shard in index["shardlist"] if shard["url"] in there]
    return json.dumps(index)


def _card(text: str, _: set[str], splits: set[str]) -> str:
    """Each field of the front matter is one line of JSON."""
    fitted: dict[str, Callable[[Any], Any]] = {
        "configs": lambda configs: [
            {**one, "data_files": [file for file in one["data_files"] if file["split"] in splits]}
            for one in configs
        ],
        "dataset_info": lambda info: {"features": info["features"]},  # counts are of the whole
    }
    lines = text.split("\n")
    for number, line in enumerate(lines):
        name = line.partition(": ")[0]
        if name in fitted:
            value = json.loads(line.removeprefix(f"{name}: "))
            lines[number] = f"{name}: {json.dumps(fitted[name](value))}"
        elif line == "---" and number:
            break
    return "\n".join(lines)
