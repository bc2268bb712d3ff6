"""Domain records as Redis keeps them: fields of a hash, a bitmap, entries of a stream."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic import TypeAdapter

from core.adapters.live_view_rules import state_rank
from core.datasets.dataset import DatasetView
from core.ports import Event
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo, InWork
from matteforge.schemas.orders import AnySpec

NO_WORK = InWork()
SPEC: TypeAdapter[AnySpec] = TypeAdapter(AnySpec)


def to_counters(counts: Counts) -> dict[str, int]:
    """The counters that grow, by field."""
    plain = {
        "accepted": counts.accepted,
        "attempted": counts.attempted,
        "shards_done": counts.shards_done,
        "size_bytes": counts.size_bytes,
    }
    rejected = {f"rejected:{reason}": number for reason, number in counts.rejected.items()}
    attributes = {
        f"attribute:{name}:{value}": number
        for name, values in counts.attributes.items()
        for value, number in values.items()
    }
    return plain | rejected | attributes


def to_fields(view: DatasetView) -> dict[str, str | int]:
    """A dataset as fields of its hash."""
    fields: dict[str, str | int] = {
        "spec": view.spec.model_dump_json(),
        "bundle": view.bundle,
        "owner": view.owner,
        "requested": view.counts.requested,
        "shards_total": view.counts.shards_total,
        "rank": state_rank(view.state),
        "state": view.state.value,
        **to_counters(view.counts),
        **{f"ts:{state}": at.isoformat() for state, at in view.timestamps.items()},
    }
    if view.error:
        fields["error"] = view.error.model_dump_json()
    if view.cancel_requested:
        fields["cancel"] = 1
    if view.expires_at:
        fields["expires_at"] = view.expires_at.isoformat()
    if view.damaged:
        fields["damaged"] = 1
    return fields


def to_work(told: Mapping[str, str], now_s: float) -> list[InWork]:
    """Reports of shards in work that still hold."""
    reports = [report.partition(" ") for report in told.values()]
    return [
        InWork.model_validate_json(work) for until_s, _, work in reports if float(until_s) > now_s
    ]


def to_view(
    dataset_id: str, fields: Mapping[str, str], in_work: InWork = NO_WORK
) -> DatasetView | None:
    """The dataset that the fields of its hash describe; None when there are none."""
    if not fields:
        return None
    numbers = {
        name: int(fields.get(name, 0))
        for name in (
            "requested", "accepted", "attempted", "shards_done", "shards_total", "size_bytes",
        )
    }  # fmt: skip
    rejected = {
        name.removeprefix("rejected:"): int(n)
        for name, n in fields.items()
        if name.startswith("rejected:")
    }
    attributes: dict[str, dict[str, int]] = {}
    for field, number in fields.items():
        if field.startswith("attribute:"):
            _, name, value = field.split(":")
            attributes.setdefault(name, {})[value] = int(number)
    timestamps = {
        DatasetState(name.removeprefix("ts:")): datetime.fromisoformat(at)
        for name, at in fields.items()
        if name.startswith("ts:")
    }
    return DatasetView(
        id=dataset_id,
        state=DatasetState(fields["state"]),
        spec=SPEC.validate_json(fields["spec"]),
        bundle=fields["bundle"],
        owner=fields.get("owner", ""),
        counts=Counts.model_validate({**numbers, "rejected": rejected, "attributes": attributes}),
        timestamps=timestamps,
        error=ErrorInfo.model_validate_json(fields["error"]) if "error" in fields else None,
        cancel_requested="cancel" in fields,
        damaged="damaged" in fields,
        expires_at=datetime.fromisoformat(fields["expires_at"]) if "expires_at" in fields else None,
        in_work=in_work,
    )


def to_bitmap(bits: int, ones: Iterable[int]) -> bytes:
    """Bit n as SETBIT counts: the first is the highest of byte 0."""
    bitmap = bytearray(-(-bits // 8))
    for position in ones:
        bitmap[position >> 3] |= 0x80 >> (position & 7)
    return bytes(bitmap)


def to_event(event_id: str, fields: Mapping[str, str]) -> Event:
    """An entry of the stream; a shard's carries the totals after it."""
    data = json.loads(fields["data"])
    totals = {name: int(fields[name]) for name in ("accepted", "shards_done") if name in fields}
    return Event(id=event_id, kind=fields["kind"], data={**data, **totals})
