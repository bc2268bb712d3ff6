"""Which version of a model each of its aliases names, and named before."""

from datetime import datetime

from pydantic import Field

from core.errors import StateConflict
from core.tenants import HOUSE
from matteforge.schemas.base import Frozen


class AliasMove(Frozen):
    """One line of an alias's audit trail."""

    digest: str
    at: datetime
    reason: str
    actor: str = Field(
        "", description="who moved it: a training run, the hash of an API key, or a command"
    )


class Aliases(Frozen):
    """`aliases/NAME.json`: alias -> its moves, the last one is in force."""

    moves: dict[str, list[AliasMove]]
    tenant: str = Field(HOUSE, description="whose model it is (core.tenants)")

    def current(self, alias: str) -> str | None:
        return self.moves[alias][-1].digest if self.moves.get(alias) else None


def check_tenant(there: Aliases | None, tenant: str | None) -> None:
    """Raises StateConflict when a model is there that is not this tenant's (None: anybody's)."""
    if there is not None and tenant is not None and there.tenant != tenant:
        raise StateConflict("a model of this name is another tenant's; use another name")
