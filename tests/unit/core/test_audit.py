"""core.audit: lines survive, come back newest first, and can be paged and filtered."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import audit
from core.adapters.memory_store import MemoryStore
from core.audit import AuditBook
from core.errors import InvalidCursor
from matteforge.schemas.audit import AuditLine

START = datetime(2026, 1, 1, 23, 59, 30, tzinfo=UTC)


def line(second: int, key: str = "a" * 12, tenant: str = "lab") -> AuditLine:
    return AuditLine(
        at=START + timedelta(seconds=second), request_id=str(second), key=key, tenant=tenant,
        method="POST", path="/v1/datasets", status=202,
    )  # fmt: skip


def filled(*blocks: range) -> AuditBook:
    book = AuditBook(MemoryStore())
    for seconds in blocks:
        book.put([line(s, key="ab"[s % 2] * 12) for s in seconds])
    return book


def seconds(lines: list[AuditLine]) -> list[int]:
    return [int(one.request_id) for one in lines]


def test_the_newest_come_first_across_midnight():
    book = filled(range(10), range(10, 60), range(60, 65))
    assert seconds(book.page(limit=1000)[0]) == list(reversed(range(65)))


@given(limit=st.integers(1, 70), blocks=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_pages_join_to_the_whole(limit: int, blocks: list[int]):
    start, ranges = 0, []
    for size in blocks:
        ranges.append(range(start, start + size))
        start += size
    book, found, cursor = filled(*ranges), [], None
    while True:
        lines, cursor = book.page(limit=limit, cursor=cursor)
        assert len(lines) <= limit
        found += seconds(lines)
        if cursor is None:
            break
    assert found == list(reversed(range(start)))


def test_filters():
    book = filled(range(30), range(30, 60))
    assert seconds(book.page(key="b" * 12, limit=3)[0]) == [59, 57, 55]
    assert book.page(tenant="other")[0] == []
    since, until = START + timedelta(seconds=10), START + timedelta(seconds=13)
    assert seconds(book.page(since=since, until=until)[0]) == [12, 11, 10]


def test_a_page_that_found_nothing_in_many_blocks_leads_to_the_next(monkeypatch):
    monkeypatch.setattr(audit, "BLOCKS_A_PAGE", 2)
    book = filled(range(1), range(1, 2), range(3, 4), range(5, 6))  # b, then a's alone
    book.put([line(200, key="c" * 12), line(201, key="c" * 12)])
    lines, cursor = book.page(key="a" * 12)
    assert (lines, cursor is None) == ([], False)
    lines, cursor = book.page(key="a" * 12, cursor=cursor)
    lines, cursor = book.page(key="a" * 12, cursor=cursor)
    assert (seconds(lines), cursor) == ([0], None)


@pytest.mark.parametrize("cursor", ["", "x", "x.jsonl", "x.jsonl -1", "x.jsonl ²", "a 1"])
def test_a_cursor_of_somebody_elses_is_refused(cursor: str):
    with pytest.raises(InvalidCursor):
        filled(range(3)).page(cursor=cursor)


def test_only_blocks_that_are_old_throughout_are_swept():
    book = filled(range(10), range(10, 20), range(1000, 1010))
    assert list(book.sweep(START + timedelta(seconds=15))) == []  # within the spread
    swept = list(book.sweep(START + timedelta(seconds=500)))
    assert len(swept) == 2
    assert all(key.startswith("audit/2026-01-01/235") for key in swept)
