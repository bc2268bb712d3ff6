"""Writes that depend on what is there (S3's If-None-Match and If-Match): they decide every race."""

from collections.abc import Callable
from typing import TypeVar

from core.errors import NotFound, PreconditionFailed, StateConflict
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen

JSON = "application/json"
TRIES = 10  # of a change that others get ahead of
Record = TypeVar("Record", bound=Frozen)


def put_once(store: ObjectStore, key: str, body: bytes, content_type: str = JSON) -> bool:
    """Write an object that must not be there yet. False: it is there, and stays as it is."""
    try:
        store.put(key, body, content_type=content_type, if_none_match=True)
    except PreconditionFailed:
        return False
    return True


def read_record(
    store: ObjectStore, key: str, kind: type[Record]
) -> tuple[Record, str] | tuple[None, None]:
    """A record and its etag; None for both when it is not there."""
    try:
        body, info = store.get(key)
    except NotFound:
        return None, None
    return kind.model_validate_json(body), info.etag


def change_record(
    store: ObjectStore,
    key: str,
    kind: type[Record],
    change: Callable[[Record | None], Record | None],
    *,
    what: str,
) -> Record | None:
    """Write what `change` makes of the record that is there (None: there is none), and return it.

    `change` is asked anew when somebody else wrote in between; None, or what is there already,
    changes nothing. Raises StateConflict, naming `what`, when others keep getting ahead.
    """
    for _ in range(TRIES):
        found, etag = read_record(store, key, kind)
        changed = change(found)
        if changed is None or changed == found:
            return changed
        try:
            store.put(
                key,
                changed.model_dump_json().encode(),
                content_type=JSON,
                if_none_match=etag is None,
                if_match=etag,
            )
        except PreconditionFailed:
            continue
        return changed
    raise StateConflict(f"{what} is being changed by others; try again")
