"""Which scope a request needs: one table for every route. What is not named needs admin."""

import re

from matteforge.schemas.keys import Scope

READS = frozenset({"GET", "HEAD", "OPTIONS"})

# (methods or None for all, paths, scope); the first that matches counts.
TABLE: tuple[tuple[frozenset[str] | None, re.Pattern[str], Scope], ...] = (
    (None, re.compile(r"/v1/keys(/.*)?"), Scope.ADMIN),
    (None, re.compile(r"/metrics|/v1/audit"), Scope.ADMIN),
    (READS, re.compile(r"/v1/.*"), Scope.READ),
    (
        None,
        re.compile(r"/v1/(datasets|estimates|mattes|matte-batches|webhooks)(/.*)?"),
        Scope.ORDER,
    ),
    (None, re.compile(r"/v1/(training-runs|training-schedules|models|corpora)(/.*)?"), Scope.TRAIN),
)


def needed(method: str, path: str) -> Scope:
    """The scope that `method path` needs."""
    for methods, pattern, scope in TABLE:
        if (methods is None or method in methods) and pattern.fullmatch(path):
            return scope
    return Scope.ADMIN
