"""A broker in memory, for tests."""

from core.messages import Consumer, Message, bell_of


class MemoryDoorbell:
    """A broker that keeps what was rung, oldest first, as (message, priority)."""

    def __init__(self) -> None:
        self.rung: list[tuple[Message, int]] = []
        self._bells: set[str] = set()
        self._consumers: dict[str, Consumer] = {}

    def ring(self, message: Message, *, priority: int = 0) -> None:
        bell = bell_of(message)
        if bell is None or bell not in self._bells:
            self.rung.append((message, priority))
        if bell:
            self._bells.add(bell)

    def rearm(self, message: Message) -> None:
        self._bells.discard(bell_of(message) or "")

    def depth(self, queue: str) -> int:
        return sum(message.queue == queue for message, _ in self.rung)

    def attend(self, consumer: Consumer) -> None:
        self._consumers[consumer.name] = consumer

    def consumers(self) -> list[Consumer]:
        return [self._consumers[name] for name in sorted(self._consumers)]
