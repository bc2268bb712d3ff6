"""Work that overlaps: encoding beside the model, a commit behind the task that made the shard."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[Result]:
    """function(item) of each item, in order; `items` is drawn from while at most `ahead` results
    are being made."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        while len(pending) > ahead or (pending and pending[0].done()):
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


class BackgroundCommit:
    """Runs one piece of work in a thread of its own, while the caller goes on to the next.

    The second waits for the first, so at most one finished shard lies on disk beside the one being
    made.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="commit"
        )  # its thread starts with the first work
        self._last: Future[None] | None = None

    def __call__(self, work: Callable[[], None]) -> None:
        """Raises what the work before raised, and then this one is not begun."""
        self.wait()
        self._last = self._executor.submit(work)

    def wait(self) -> None:
        """Until nothing runs. Raises what the last work raised, once."""
        last, self._last = self._last, None
        if last is not None:
            last.result()
