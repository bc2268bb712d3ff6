"""What every live view agrees on: how states are ordered, pages addressed, events numbered and
kept."""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import datetime

from core.errors import InvalidCursor
from matteforge.schemas.datasets import TERMINAL, DatasetState, InWork

EVENTS_KEPT = 1000  # a dataset
NO_EVENT = "0-0"

_INDEX_MEMBER = re.compile(r"\d{15}:[\w.-]{1,100}", re.ASCII)
_EVENT_ID = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)


def state_rank(state: DatasetState) -> int:
    """Position on the way from queued to the end; all terminal states are one position."""
    if state in TERMINAL:
        return 3
    return (DatasetState.QUEUED, DatasetState.RUNNING, DatasetState.FINALIZING).index(state)


def index_member(dataset_id: str, created_at: datetime) -> str:
    """The dataset's place in an index whose lexical order is (time of creation in ms, id)."""
    return f"{round(created_at.timestamp() * 1000):015d}:{dataset_id}"


def encode_cursor(member: str) -> str:
    """An opaque, URL-safe name for the last entry of a page."""
    return base64.urlsafe_b64encode(member.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The index member behind a cursor. Raises InvalidCursor."""
    try:
        member = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode("ascii")
    except (ValueError, binascii.Error) as error:
        raise InvalidCursor from error
    if not _INDEX_MEMBER.fullmatch(member):
        raise InvalidCursor
    return member


def parse_event_id(event_id: str) -> tuple[int, int] | None:
    """(milliseconds, sequence number) of an event id, None when it can't be one."""
    match = _EVENT_ID.fullmatch(event_id)
    return (int(match[1]), int(match[2])) if match else None


def add_work(works: Iterable[InWork]) -> InWork:
    """What is in all shards that are being made."""
    shards = accepted = attempted = 0
    rejected: dict[str, int] = {}
    for work in works:
        shards, accepted = shards + work.shards, accepted + work.accepted
        attempted += work.attempted
        for reason, number in work.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + number
    return InWork(shards=shards, accepted=accepted, attempted=attempted, rejected=rejected)


def blended(before: float | None, seconds_a_sample: float) -> float:
    """The pace remembered after one more shard: the last three count for most of it."""
    return seconds_a_sample if before is None else 0.6 * before + 0.4 * seconds_a_sample
