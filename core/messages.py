"""Names of queues and tasks and what their messages carry: all that the API, beat and the workers
share of Celery.

A message is a doorbell: it says "look at this", never "this is so". One that finds no work left
does nothing.
"""

from bisect import bisect_left
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

QUEUE_GENERATE = "generate"
QUEUE_RENDER = "render"
QUEUE_TRAIN = "train"
QUEUE_CONTROL = "control"
QUEUE_MATTE = "matte"
QUEUE_WEBHOOK = "webhook"
QUEUES = (QUEUE_GENERATE, QUEUE_RENDER, QUEUE_TRAIN, QUEUE_CONTROL, QUEUE_MATTE, QUEUE_WEBHOOK)

STALLED_S = 15.0
"""A worker without work takes a message within a second."""

PRIORITIES = (0, 1, 2, 3, 4)
"""A broker serves the lowest first."""
PRIORITY_FIRST, PRIORITY_LAST = 3, 4
SMALL_ORDERS = (10, 100, 1000)
"""Samples up to which an order goes ahead with priority 0, 1 and 2."""


def shard_priority(remaining: int, *, first: bool) -> int:
    """How urgent a shard is: the less its order still lacks, the sooner it ends (shortest remaining
    work first).

    remaining: samples that the order lacks. Small orders come before all else; then the first shard
    of each larger one, so that it shows something early; then everything else, which takes turns.
    """
    if remaining <= SMALL_ORDERS[-1]:
        return bisect_left(SMALL_ORDERS, remaining)
    return PRIORITY_FIRST if first else PRIORITY_LAST


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A worker that takes messages from a queue, as it tells of itself every few seconds."""

    name: str
    queue: str
    idle_s: float  # how long it took nothing and worked on nothing although messages waited

    @property
    def stalled(self) -> bool:
        """True when it should have taken a message long ago."""
        return self.idle_s > STALLED_S


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent: subclasses name their task and queue."""

    task: ClassVar[str]
    queue: ClassVar[str]

    def payload(self) -> dict[str, Any]:
        """Keyword arguments of the task."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class RunShard(Message):
    """Make and commit one shard."""

    task: ClassVar[str] = "matteforge.run_shard"
    queue: ClassVar[str] = QUEUE_GENERATE
    dataset_id: str
    shard: int


@dataclass(frozen=True, kw_only=True)
class RunRenderedShard(RunShard):
    """The same of rendered portraits, whose pictures take seconds each: other workers make them,
    and no order of generated pairs waits for one."""

    queue: ClassVar[str] = QUEUE_RENDER


SHARD_MESSAGES: dict[str, type[RunShard]] = {"generated": RunShard, "rendered": RunRenderedShard}
"""By source of an order."""


@dataclass(frozen=True, kw_only=True)
class Reconcile(Message):
    """Compare plans, records and leases, and ring for what is missing; for one dataset or for
    all."""

    task: ClassVar[str] = "matteforge.reconcile"
    queue: ClassVar[str] = QUEUE_CONTROL
    dataset_id: str | None = None


def bell_of(message: Message) -> str | None:
    """Name under which a message waits at most once; None: each is sent."""
    return message.dataset_id if isinstance(message, Reconcile) else None


@dataclass(frozen=True, kw_only=True)
class RunCycle(Message):
    """Go on with a training run from its first stage that is not done."""

    task: ClassVar[str] = "matteforge.run_cycle"
    queue: ClassVar[str] = QUEUE_TRAIN
    run_id: str


@dataclass(frozen=True, kw_only=True)
class RunMatte(Message):
    """Cut the subject out of one picture."""

    task: ClassVar[str] = "matteforge.run_matte"
    queue: ClassVar[str] = QUEUE_MATTE
    matte_id: str


@dataclass(frozen=True, kw_only=True)
class RunMatteBatch(Message):
    """Go on with a batch of pictures to be cut out: unpack it, make its next part, or end it."""

    task: ClassVar[str] = "matteforge.run_matte_batch"
    queue: ClassVar[str] = QUEUE_MATTE
    batch_id: str


BATCH_ABREAST = 4
"""Messages of a batch at once: as many workers may make parts of it."""


@dataclass(frozen=True, kw_only=True)
class SendWebhook(Message):
    """Make a try to deliver one webhook, if it is still to be sent."""

    task: ClassVar[str] = "matteforge.send_webhook"
    queue: ClassVar[str] = QUEUE_WEBHOOK
    tenant: str
    delivery_id: str
    due_s: int
