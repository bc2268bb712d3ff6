"""Every error that MatteForge raises on purpose.

MatteForgeError
├── RequestError            the caller can mend it
│   ├── InvalidSpec         invalid_spec
│   ├── InvalidCursor       invalid_cursor
│   ├── InvalidQuery        invalid_query
│   ├── PictureRejected     picture_rejected
│   ├── Unauthorized        unauthorized
│   ├── Forbidden           forbidden
│   ├── NotFound            not_found
│   ├── StateConflict       state_conflict
│   ├── IdempotencyMismatch idempotency_mismatch
│   ├── RateLimited         rate_limited
│   │   └── QuotaExceeded   quota_exceeded
│   └── StorageFull         storage_full
├── TransientError          worth another try
│   ├── StoreUnavailable    store_unavailable
│   ├── ClockSkewed         clock_skewed
│   ├── LiveViewUnavailable live_view_unavailable
│   ├── LeaseLost           lease_lost
│   ├── RendererFailed      renderer_failed
│   └── DeviceLost          device_lost
├── PermanentError          another try gives the same
│   ├── CheckpointRejected  checkpoint_rejected
│   ├── CorpusRejected      corpus_rejected
│   ├── TrainingDiverged    training_diverged
│   ├── ShardCorrupt        shard_corrupt
│   ├── RecordCorrupt       record_corrupt
│   ├── StoreRefused        store_refused
│   ├── StoreUnfit          store_unfit
│   ├── SourceUnavailable   source_unavailable
│   └── BudgetExhausted     rejection_budget_exhausted
├── PreconditionFailed      a conditional write lost the race; always handled by its caller
└── Cancelled               the order was cancelled or deleted while it was worked on
"""

from typing import ClassVar


class MatteForgeError(Exception):
    """Something went wrong in MatteForge."""

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or self.code).strip()
        super().__init__(self.detail)


class RequestError(MatteForgeError):
    """The request can't be served as it is."""

    code = "bad_request"


class InvalidSpec(RequestError):
    """What was sent is not valid."""

    code = "invalid_spec"


class InvalidCursor(RequestError):
    """The cursor was not made by this service; leave it out to start at the first page."""

    code = "invalid_cursor"


class InvalidQuery(RequestError):
    """The filter or the order of samples can't be read."""

    code = "invalid_query"


class PictureRejected(RequestError):
    """The picture can't be read, or is too large."""

    code = "picture_rejected"


class Unauthorized(RequestError):
    """A valid API key is needed: Authorization: Bearer KEY."""

    code = "unauthorized"


class Forbidden(RequestError):
    """The API key is valid, but may not do this."""

    code = "forbidden"


class NotFound(RequestError):
    """There is nothing under this name."""

    code = "not_found"


class StateConflict(RequestError):
    """Its state does not allow this."""

    code = "state_conflict"


class IdempotencyMismatch(RequestError):
    """This Idempotency-Key was used before with another body; send a new key with a new body."""

    code = "idempotency_mismatch"


class RateLimited(RequestError):
    """The key sends more requests a second than it may."""

    code = "rate_limited"

    def __init__(self, detail: str | None = None, *, retry_after_s: float | None = None) -> None:
        """retry_after_s: when another try may pass; None: waiting alone does not help."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class QuotaExceeded(RateLimited):
    """The key, or its tenant, would use more than it may."""

    code = "quota_exceeded"


class StorageFull(RequestError):
    """The object store has no room for this."""

    code = "storage_full"


class TransientError(MatteForgeError):
    """Something is unavailable for the moment."""

    code = "transient"
    answered = False  # at once, that it can't do this now: what else it is asked may succeed


class StoreUnavailable(TransientError):
    """The object store does not answer."""

    code = "store_unavailable"


class ClockSkewed(TransientError):
    """The object store's clock and this machine's differ by more than it allows."""

    code = "clock_skewed"


class LiveViewUnavailable(TransientError):
    """Redis does not answer."""

    code = "live_view_unavailable"


class LeaseLost(TransientError):
    """The lease went to another worker."""

    code = "lease_lost"


class RendererFailed(TransientError):
    """The renderer failed twice on one portrait."""

    code = "renderer_failed"


class DeviceLost(TransientError):
    """The graphics card failed or has no memory left; a new process may go on."""

    code = "device_lost"


class PermanentError(MatteForgeError):
    """Trying again would give the same."""

    code = "permanent"


class CheckpointRejected(PermanentError):
    """The checkpoint can't be used."""

    code = "checkpoint_rejected"


class CorpusRejected(PermanentError):
    """The corpus can't be used for this."""

    code = "corpus_rejected"


class TrainingDiverged(PermanentError):
    """The training's gradients are not finite any more."""

    code = "training_diverged"


class ShardCorrupt(PermanentError):
    """A committed shard's bytes do not match its record."""

    code = "shard_corrupt"


class RecordCorrupt(PermanentError):
    """A record in the object store can't be read; `matteforge fsck` lists what can be done."""

    code = "record_corrupt"


class StoreRefused(PermanentError):
    """The object store refuses the credentials, or they do not allow this; its operator must mend
    it."""

    code = "store_refused"


class StoreUnfit(PermanentError):
    """The object store does not honour If-None-Match, on which committing a shard once depends."""

    code = "store_unfit"


class SourceUnavailable(PermanentError):
    """Pictures of this source can't be made here."""

    code = "source_unavailable"


class BudgetExhausted(PermanentError):
    """Too few candidates passed the filter."""

    code = "rejection_budget_exhausted"


class PreconditionFailed(MatteForgeError):
    """The object exists already, or changed since it was read."""

    code = "precondition_failed"


class Cancelled(MatteForgeError):
    """The dataset was cancelled or deleted."""

    code = "cancelled"
