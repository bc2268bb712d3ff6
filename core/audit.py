"""The audit trail: who changed what, kept in the store in blocks of lines.

audit/DAY/HHMMSSffffff-RANDOM.jsonl   lines in the order in which one process of the API wrote them

A block is put once and never changed. Its name begins with the time of its last line, and blocks
are written within seconds: so the newest are found without reading the rest.
"""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from core import keys
from core.errors import InvalidCursor
from core.ports import ObjectStore
from matteforge.schemas.audit import AuditLine

SPREAD = timedelta(minutes=2)  # by which a block's lines, and clocks, may differ from its name
BLOCKS_A_PAGE = 200  # looked through before a page is answered


class AuditBook:
    """Blocks of lines in one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, lines: Sequence[AuditLine]) -> None:
        """Keep lines, oldest first."""
        at = lines[-1].at.astimezone(UTC)
        name = f"{keys.AUDIT}{at:%Y-%m-%d}/{at:%H%M%S%f}-{secrets.token_hex(4)}.jsonl"
        body = "".join(line.model_dump_json() + "\n" for line in lines)
        self._store.put(name, body.encode(), content_type="application/jsonl")

    def page(
        self,
        *,
        key: str | None = None,
        tenant: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> tuple[list[AuditLine], str | None]:
        """Lines that match, newest first, and the cursor of the next page. InvalidCursor."""
        found: list[AuditLine] = []
        before, skipped = _read_cursor(cursor)
        for looked_at, name in enumerate(self._blocks(since, until, before)):
            if looked_at == BLOCKS_A_PAGE:
                return found, f"{name} 0"
            lines = self._lines(name)
            for place in range(skipped if name == before else 0, len(lines)):
                line = lines[place]
                if (
                    key in (None, line.key)
                    and tenant in (None, line.tenant)
                    and (since is None or line.at >= since)
                    and (until is None or line.at < until)
                ):
                    if len(found) == limit:
                        return found, f"{name} {place}"
                    found.append(line)
        return found, None

    def sweep(self, before: datetime) -> Iterator[str]:
        """Keys of blocks that hold nothing younger than `before`."""
        last = _stem(before - SPREAD)
        for day in self._store.list_folders(keys.AUDIT):
            if day > last[:10]:
                return
            for name in self._store.list_names(f"{keys.AUDIT}{day}/"):
                if f"{day}/{name}" < last:
                    yield f"{keys.AUDIT}{day}/{name}"

    def _blocks(
        self, since: datetime | None, until: datetime | None, before: str | None
    ) -> Iterator[str]:
        """Names of blocks, DAY/NAME, newest first; `before`: the first one to be given."""
        oldest = _stem(since - SPREAD) if since else ""
        newest = min(_stem(until + SPREAD) if until else "~", f"{before}~" if before else "~")
        for day in sorted(self._store.list_folders(keys.AUDIT), reverse=True):
            if not oldest[:10] <= day <= newest[:10]:
                continue
            names = self._store.list_names(f"{keys.AUDIT}{day}/")
            for name in sorted((f"{day}/{name}" for name in names), reverse=True):
                if oldest <= name <= newest:
                    yield name

    def _lines(self, name: str) -> list[AuditLine]:
        body = self._store.get(keys.AUDIT + name)[0]
        return [AuditLine.model_validate_json(line) for line in reversed(body.splitlines())]


def _stem(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d/%H%M%S%f}"


def _read_cursor(cursor: str | None) -> tuple[str | None, int]:
    if cursor is None:
        return None, 0
    name, _, place = cursor.partition(" ")
    if not (place.isascii() and place.isdecimal() and len(place) <= 6 and name.endswith(".jsonl")):
        raise InvalidCursor
    return name, int(place)
