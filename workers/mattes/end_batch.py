"""The end of a batch: all its results in one archive, with a table of how each picture ended."""

import csv
import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from core import keys
from core.datasets.dataset import utcnow
from core.errors import PictureRejected
from core.leases import HeldLease
from core.matte_batch import BatchEnd, BatchPictures, BatchRecord
from core.matte_batches import RESULTS_ZIP, MatteBatches
from core.mattes import MatteOutcome
from core.ports import ObjectStore
from matteforge.schemas.datasets import DatasetState, ErrorInfo

TABLE = "outcomes.csv"
FORMULA = tuple("=+-@\t\r\n")
COLUMNS = ("picture", "result", "width", "height", "side", "seconds", "error")


def end_batch(
    batches: MatteBatches, record: BatchRecord, pictures: BatchPictures, lease: HeldLease
) -> BatchEnd:
    """Write results.zip, then the end: cancelled, failed when nothing could be made, or
    completed."""
    every = range(len(pictures.items))
    outcomes = list(batches.outcomes(record.id, pictures, every))
    made = [outcome for outcome in outcomes if outcome and outcome.code is None]
    size_bytes = _upload_zip(batches.store, record.id, pictures, outcomes) if made else None
    lease.check()
    cancelled = batches.is_cancelled(record.id) and None in outcomes
    state = DatasetState.CANCELLED if cancelled else DatasetState.COMPLETED
    error = None
    if not made and not cancelled:
        state, error = DatasetState.FAILED, _of_none(outcomes)
    end = BatchEnd(
        state=state,
        at=utcnow(),
        error=error,
        notice=next((outcome.notice for outcome in made), None),
        size_bytes=size_bytes,
    )
    return batches.finish(record.id, end)


def _of_none(outcomes: Sequence[MatteOutcome | None]) -> ErrorInfo:
    reasons = [outcome.detail for outcome in outcomes if outcome and outcome.detail]
    detail = f"none of the {len(outcomes)} pictures could be cut out; the first: {reasons[0]}"
    return ErrorInfo(code=PictureRejected.code, detail=detail)


def _upload_zip(
    store: ObjectStore,
    batch_id: str,
    pictures: BatchPictures,
    outcomes: Sequence[MatteOutcome | None],
) -> int:
    with tempfile.TemporaryDirectory(prefix="matteforge-batch-") as folder:
        path = Path(folder) / RESULTS_ZIP
        with zipfile.ZipFile(path, "w") as archive:  # PNGs don't shrink any further
            for picture, outcome in zip(pictures.items, outcomes, strict=True):
                if outcome is None or outcome.code is not None:
                    continue
                key = keys.matte_batch(batch_id, f"results/{picture.result}")
                with archive.open(zipfile.ZipInfo(picture.result), "w") as file:
                    for chunk in store.stream(key):
                        file.write(chunk)
            archive.writestr(zipfile.ZipInfo(TABLE), _table(pictures, outcomes))
        store.upload(keys.matte_batch(batch_id, RESULTS_ZIP), path, content_type="application/zip")
        return path.stat().st_size


def _cell(name: str) -> str:
    """A picture's name as no spreadsheet takes for a formula: the same path begins with ./ then."""
    return f"./{name}" if name[:1] in FORMULA else name


def _table(pictures: BatchPictures, outcomes: Sequence[MatteOutcome | None]) -> str:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for picture, outcome in zip(pictures.items, outcomes, strict=True):
        if outcome is None:
            rows.writerow([_cell(picture.name), *[""] * (len(COLUMNS) - 2), "cancelled"])
        elif outcome.code:
            rows.writerow([_cell(picture.name), *[""] * (len(COLUMNS) - 2), outcome.detail])
        else:
            seen = (outcome.width, outcome.height, outcome.side, outcome.seconds)
            rows.writerow([_cell(picture.name), _cell(picture.result), *seen, ""])
    return text.getvalue()
