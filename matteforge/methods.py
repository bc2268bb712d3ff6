"""A method of both clients, written once: it says what to send, and the client's class decides how.

`MatteForge` sends it and waits; `AsyncMatteForge` gives a coroutine or an asynchronous iterator.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, get_args, overload

from matteforge.calls import Call
from matteforge.transport import AsyncTransport, Transport

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")
Item = TypeVar("Item", covariant=True)


class Methods:
    """Methods of both clients' classes."""

    transport: Transport | AsyncTransport


class Caller(Methods):
    """What the plain client's classes have."""

    transport: Transport

    def __init__(self, transport: Transport) -> None:
        self.transport = transport


class AsyncCaller(Methods):
    """What the asynchronous client's classes have."""

    transport: AsyncTransport

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport


@dataclass(frozen=True)
class Blocking(Generic[Answer]):
    """Work that would hold an event loop up, which therefore runs it in a thread."""

    work: Callable[[], Answer]


Step = Call[Any] | Blocking[Any] | float  # a call, work, or seconds to wait
Steps = Generator[Step, Any, Answer]
"""Several steps, one after the other: each `yield` gives what its step answered."""


def ask(call: Call[Answer]) -> Steps[Answer]:
    """A step with the type of its answer: `answer = yield from ask(call)`."""
    answer: Answer = yield call
    return answer


class Stream(Protocol[Item]):
    """Items that arrive bit by bit."""

    def read(self, transport: Transport) -> Iterator[Item]: ...

    def read_async(self, transport: AsyncTransport) -> AsyncIterator[Item]: ...


class Page(Protocol[Item]):
    """One page of a listing."""

    @property
    def items(self) -> Sequence[Item]: ...

    @property
    def next_cursor(self) -> str | None: ...


@dataclass(frozen=True)
class Pages(Generic[Item]):
    """A stream of the items of all pages, `limit` at most."""

    call: Call[Page[Item]]
    limit: int | None = None

    def read(self, transport: Transport) -> Iterator[Item]:
        call: Call[Page[Item]] | None = self.call
        left = self.limit
        while call is not None:
            page = transport.send(call)
            yield from page.items[:left]
            call, left = self._next(call, page, left)

    async def read_async(self, transport: AsyncTransport) -> AsyncIterator[Item]:
        call: Call[Page[Item]] | None = self.call
        left = self.limit
        while call is not None:
            page = await transport.send(call)
            for item in page.items[:left]:
                yield item
            call, left = self._next(call, page, left)

    @staticmethod
    def _next(
        call: Call[Page[Item]], page: Page[Item], left: int | None
    ) -> tuple[Call[Page[Item]] | None, int | None]:
        """The call for the page after this one, if it is wanted, and how many items are left."""
        left = None if left is None else left - len(page.items)
        last = page.next_cursor is None or (left is not None and left <= 0)
        return None if last else call.after(str(page.next_cursor)), left


@dataclass(frozen=True)
class _End(Generic[Answer]):
    """What comes of all steps."""

    answer: Answer


def _next(steps: Steps[Answer], answer: Any) -> Step | _End[Answer]:
    try:
        return steps.send(answer)
    except StopIteration as end:
        return _End(end.value)


def _take(caller: Caller, step: Step) -> Any:
    match step:
        case Call():
            return caller.transport.send(step)
        case Blocking():
            return step.work()
        case seconds:
            return caller.transport.sleep(seconds)


async def _take_async(caller: AsyncCaller, step: Step) -> Any:
    match step:
        case Call():
            return await caller.transport.send(step)
        case Blocking():
            return await asyncio.to_thread(step.work)
        case seconds:
            return await asyncio.sleep(seconds)


def _run(caller: Caller, steps: Steps[Answer]) -> Answer:
    answer = None
    while not isinstance(step := _next(steps, answer), _End):
        answer = _take(caller, step)
    return step.answer


async def _run_async(caller: AsyncCaller, steps: Steps[Answer]) -> Answer:
    answer = None
    while not isinstance(step := _next(steps, answer), _End):
        answer = await _take_async(caller, step)
    return step.answer


class _Twofold:
    """A descriptor: the plain function in classes of the one client, the other in the other's."""

    plain: Callable[..., Any]
    awaited: Callable[..., Any]

    def _dress(self, method: Callable[..., Any], one: Any, other: Any) -> None:
        """Gives both functions the method's name, words and arguments, and what each returns."""
        signature = inspect.signature(method)
        answer = get_args(signature.return_annotation)[-1]
        for function, returns in ((self.plain, one), (self.awaited, other)):
            update_wrapper(function, method)
            returned = answer if returns is None else returns[answer]
            function.__signature__ = signature.replace(  # type: ignore[attr-defined]
                return_annotation=returned
            )
        self.__doc__ = method.__doc__

    def _of(self, caller: Any, owner: type) -> Any:
        function = self.awaited if issubclass(owner, AsyncCaller) else self.plain
        return function.__get__(caller, owner)


class answered(_Twofold, Generic[Arguments, Answer]):
    """Decorates a method that returns a call, or is a generator of steps: the clients' methods
    return the answer, and a coroutine of it."""

    def __init__(
        self,
        method: Callable[Concatenate[Any, Arguments], Call[Answer] | Steps[Answer]],
    ) -> None:
        def steps(caller: Any, *args: Any, **options: Any) -> Steps[Answer]:
            said = method(caller, *args, **options)
            return ask(said) if isinstance(said, Call) else said

        def plain(self: Caller, *args: Any, **options: Any) -> Answer:
            return _run(self, steps(self, *args, **options))

        async def awaited(self: AsyncCaller, *args: Any, **options: Any) -> Answer:
            return await _run_async(self, steps(self, *args, **options))

        self.plain, self.awaited = plain, awaited
        self._dress(method, None, None)

    @overload
    def __get__(self, caller: Caller, owner: type) -> Callable[Arguments, Answer]: ...

    @overload
    def __get__(
        self, caller: AsyncCaller, owner: type
    ) -> Callable[Arguments, Coroutine[Any, Any, Answer]]: ...

    @overload
    def __get__(self, caller: None, owner: type) -> Callable[..., Any]: ...

    def __get__(self, caller: Any, owner: type) -> Any:
        return self._of(caller, owner)


class iterated(_Twofold, Generic[Arguments, Item]):
    """Decorates a method that returns a stream: the clients' methods return an iterator over it,
    and an asynchronous one."""

    def __init__(self, method: Callable[Concatenate[Any, Arguments], Stream[Item]]) -> None:
        def plain(self: Caller, *args: Any, **options: Any) -> Iterator[Item]:
            return method(self, *args, **options).read(self.transport)

        def awaited(self: AsyncCaller, *args: Any, **options: Any) -> AsyncIterator[Item]:
            return method(self, *args, **options).read_async(self.transport)

        self.plain, self.awaited = plain, awaited
        self._dress(method, Iterator, AsyncIterator)

    @overload
    def __get__(self, caller: Caller, owner: type) -> Callable[Arguments, Iterator[Item]]: ...

    @overload
    def __get__(
        self, caller: AsyncCaller, owner: type
    ) -> Callable[Arguments, AsyncIterator[Item]]: ...

    @overload
    def __get__(self, caller: None, owner: type) -> Callable[..., Any]: ...

    def __get__(self, caller: Any, owner: type) -> Any:
        return self._of(caller, owner)
