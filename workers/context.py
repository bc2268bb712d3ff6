"""What a task works with; built once a process by workers.app, by hand in tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.datasets.catalog import Catalog
from core.datasets.plan import Plan
from core.errors import SourceUnavailable
from core.ports import Doorbell, LeaseBook, LiveView
from core.settings import Settings

if TYPE_CHECKING:  # the control worker runs without numpy
    from workers.generate.backdrops import Backdrops
    from workers.generate.candidate import Sampler


def _at_once(work: Callable[[], None]) -> None:
    work()


def _no_stylematte(digest: str) -> Any:
    raise SourceUnavailable("this process cuts nothing out")


def _no_backdrops(plan: Plan) -> "Backdrops | None":
    if plan.backgrounds is not None:
        raise SourceUnavailable("this process fetches no backgrounds")
    return None


@dataclass(frozen=True, kw_only=True)
class Context:
    settings: Settings
    catalog: Catalog
    live: LiveView
    leases: LeaseBook
    doorbell: Doorbell
    sampler: Callable[
        [Plan], "Sampler"
    ]  # of the plan's source and bundle, loaded when first asked for
    stylematte: Callable[[str], Any] = _no_stylematte
    """The network of a bundle, by its digest, loaded when first asked for."""
    backdrops: Callable[[Plan], "Backdrops | None"] = _no_backdrops
    """What is behind composites where the plan names a corpus; fetched when first asked for."""
    in_background: Callable[[Callable[[], None]], None] = _at_once
    """Runs what the next task need not wait for."""
