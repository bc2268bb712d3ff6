"""Every call of the API about its keys, for admins. As matteforge.calls."""

from matteforge.calls import Call, call_of, no_answer, path_of
from matteforge.schemas.keys import KeyChange, KeyIn, KeyOut, KeyPage, NewKeyOut


def keys() -> Call[KeyPage]:
    return call_of("GET", "keys", schema=KeyPage)


def create_key(wanted: KeyIn) -> Call[NewKeyOut]:
    return call_of("POST", "keys", schema=NewKeyOut, json=wanted.model_dump(mode="json"))


def change_key(key_id: str, wanted: KeyChange) -> Call[KeyOut]:
    body = wanted.model_dump(mode="json", exclude_unset=True)
    return call_of("PATCH", "keys", key_id, schema=KeyOut, json=body)


def rotate_key(key_id: str) -> Call[NewKeyOut]:
    return call_of("POST", "keys", key_id, "rotate", schema=NewKeyOut)


def revoke_key(key_id: str) -> Call[None]:
    path = path_of("keys", key_id)
    return Call(method="DELETE", path=path, read=no_answer, gone_is_done=True)
