"""The folder of one downloaded dataset: its own, marked, never mixed with another's."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matteforge.errors import DatasetIncomplete, FolderTaken, LocalStorageError
from matteforge.schemas.datasets import DatasetOut, DatasetState

MARKER = ".matteforge.json"


def check_complete(dataset: DatasetOut) -> None:
    """Raises DatasetIncomplete that says what became of the dataset, and what can be had."""
    counts = dataset.counts
    there = f"{counts.accepted} of {counts.requested} samples are there"
    if dataset.damaged:
        raise DatasetIncomplete(
            f"{dataset.id} is damaged: shards are missing or have other bytes than recorded; its "
            "operator can mend it (matteforge fsck --repair), --partial fetches what is whole"
        )
    if dataset.state is DatasetState.COMPLETED:
        return
    if dataset.state is DatasetState.FAILED:
        why = f" ({dataset.error.detail} [{dataset.error.code}])" if dataset.error else ""
        raise DatasetIncomplete(f"{dataset.id} failed{why}; {there}: --partial fetches them")
    if dataset.state is DatasetState.CANCELLED:
        raise DatasetIncomplete(f"{dataset.id} was cancelled; {there}: --partial fetches them")
    raise DatasetIncomplete(
        f"{dataset.id} is still {dataset.state}; {there}: wait for the rest, or --partial fetches "
        "what is committed"
    )


def dataset_folder(directory: Path, dataset_id: str) -> Path:
    """DIRECTORY/ID, made and marked as this dataset's. Raises FolderTaken when something else is in
    it."""
    folder = directory / dataset_id
    owner = marked(folder)
    if owner is not None and owner != dataset_id:
        raise FolderTaken(f"{folder} holds the dataset {owner}; choose another --out")
    if owner is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FolderTaken(
                f"{folder} is there and is no download of {dataset_id}; move it, or choose another "
                "--out"
            )
        folder.mkdir(parents=True, exist_ok=True)
        mark(folder, dataset_id, state=None)
    return folder


def mark(folder: Path, dataset_id: str, *, state: DatasetState | None) -> None:
    """Note whose folder it is; state: of the dataset when all of it had arrived."""
    text = json.dumps({"dataset": dataset_id, "state": state and state.value}) + "\n"
    write_whole(folder / MARKER, text.encode())


def marked(folder: Path) -> str | None:
    """The dataset whose folder it is, None without a marker."""
    try:
        owner = json.loads((folder / MARKER).read_bytes())["dataset"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return "of an unreadable marker"
    return str(owner)


def write_whole(path: Path, content: bytes) -> None:
    """The file appears under its name only once it is complete."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)


@contextmanager
def stored() -> Iterator[Callable[[Path, str], Path]]:
    """Gives `dataset_folder`; faults of this machine's storage become LocalStorageError."""
    try:
        yield dataset_folder
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise LocalStorageError(
            f"{where}{error.strerror or error}; what has arrived stays, the same command goes on"
        ) from error
