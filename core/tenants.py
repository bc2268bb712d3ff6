"""Whose corpora and models may be read, and by whom they may be changed.

Each says its tenant in its record. What is older than tenants is the house's: all read that, and
keys of the house change it. Names are one space for all tenants.
"""

import re
from collections.abc import Callable

from matteforge.schemas.names import NAME

HOUSE = "default"

MayRead = Callable[[str], bool]
"""Whether what belongs to a tenant may be read."""


def tenant_of(owner: str) -> str:
    """The tenant that a record's owner means: before there were tenants, records named a key or the
    command line, and those were the house's."""
    return owner if re.fullmatch(NAME, owner) else HOUSE


def anything(tenant: str) -> bool:
    """What an operator, or a worker, may read."""
    return True


def may_read(tenant: str, reader: str) -> bool:
    """Whether keys of the tenant `reader` may read what is `tenant`'s."""
    return tenant in (HOUSE, reader)
