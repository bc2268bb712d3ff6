"""The doorbell: Celery over Redis, and the configuration that producers and workers share."""

import json
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from core.adapters.redis_connection import KEEPALIVE, connect, translated
from core.errors import LiveViewUnavailable
from core.messages import PRIORITIES, QUEUE_CONTROL, Consumer, Message, bell_of

BELL_S = 5.0
CONSUMERS = "mf:consumers"
CONSUMER_TTL_S = 20.0
PRIORITY_SEPARATOR = "\x06\x16"  # kombu's, between a queue and its priority


def make_celery(
    broker_url: str,
    *,
    visibility_timeout_s: int = 6 * 3600,
    timeout_s: float = 10,
    retries: int = 2,
    **extra: Any,
) -> Celery:
    """A Celery application as producers and workers need it; `extra` are further Celery settings.

    timeout_s: of each call on the broker; retries: of a message that could not be sent.
    """
    app = Celery("matteforge", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE_CONTROL,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its broker for as long as it takes
        broker_connection_timeout=5,
        worker_proc_alive_timeout=60,
        broker_transport_options={
            "priority_steps": list(PRIORITIES),
            "sep": PRIORITY_SEPARATOR,
            "queue_order_strategy": "priority",
            "visibility_timeout": visibility_timeout_s,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": min(timeout_s, 5),
            "socket_keepalive": True,
            "socket_keepalive_options": KEEPALIVE,
        },
        task_publish_retry=True,
        task_publish_retry_policy={
            "max_retries": retries,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
        # after which SIGQUIT (and SIGTERM under REMAP_SIGTERM) hands tasks back
        worker_soft_shutdown_timeout=3,
        enable_utc=True,
    )
    app.conf.update(extra)
    return app


class CeleryDoorbell:
    """Sends messages and counts those that wait. Never consumes."""

    def __init__(self, broker_url: str, *, timeout_s: float = 5, retries: int = 3) -> None:
        """timeout_s and retries: of each call on the broker."""
        self._app = make_celery(broker_url, timeout_s=timeout_s, retries=min(retries, 2))
        self._redis = connect(broker_url, timeout_s=timeout_s, retries=retries)

    def ring(self, message: Message, *, priority: int = 0) -> None:
        """Sends it as Doorbell.ring says. A bell that got lost is rung again after BELL_S; beat
        rings in any case."""
        if (bell := bell_of(message)) and not self._first(bell):
            return
        try:
            self._app.send_task(
                message.task, kwargs=message.payload(), queue=message.queue, priority=priority
            )
        except (OperationalError, OSError) as error:
            raise LiveViewUnavailable(f"the broker does not answer: {error}") from error

    @translated()
    def rearm(self, message: Message) -> None:
        if bell := bell_of(message):
            self._redis.delete(f"mf:bell:{bell}")

    @translated()
    def _first(self, bell: str) -> bool:
        return bool(self._redis.set(f"mf:bell:{bell}", 1, nx=True, px=round(1000 * BELL_S)))

    @translated()
    def depth(self, queue: str) -> int:
        names = [f"{queue}{PRIORITY_SEPARATOR}{step}" if step else queue for step in PRIORITIES]
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(name)
            return sum(pipe.execute())

    @translated()
    def attend(self, consumer: Consumer) -> None:
        told = {"queue": consumer.queue, "idle_s": consumer.idle_s, "at_s": self._redis.time()[0]}
        self._redis.hset(CONSUMERS, consumer.name, json.dumps(told))

    @translated()
    def consumers(self) -> list[Consumer]:
        now_s, found = self._redis.time()[0], []
        for name, text in sorted(self._redis.hgetall(CONSUMERS).items()):
            told = json.loads(text)
            if now_s - told["at_s"] > CONSUMER_TTL_S:
                self._redis.hdel(CONSUMERS, name)
            else:
                found.append(Consumer(name=name, queue=told["queue"], idle_s=told["idle_s"]))
        return found

    def close(self) -> None:
        """Close pooled connections."""
        self._app.close()
        self._redis.close()
