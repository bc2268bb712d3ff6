"""Whether a worker still takes messages. One that can't any more ends, and its supervisor starts
another.

Celery keeps a message whose acknowledgement failed in its window of one, and takes no other for
good; whatever else may keep it from consuming shows in the same way: messages wait, it idles.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from celery.signals import worker_ready
from celery.worker import state
from celery.worker.request import Request
from kombu.asynchronous import get_event_loop

from core.errors import TransientError
from core.messages import Consumer
from core.ports import Doorbell

log = logging.getLogger(__name__)
LOOK_S = 5.0
PATIENCE = 6  # looks in a row at which it idles although messages wait
LAST_GRACE_S = 20.0  # for an orderly end, until the process is ended without one
SENT_AFTER_S = 5.0  # the loop is held up while it waits for the broker, and this with it
EXIT_CODE = 70  # sysexits.h: an internal software error


def end_worker(why: str) -> None:
    """Ask this worker to stop after the task in work, and make sure that it does."""
    log.critical("this worker ends, so that another is started: %s", why)
    state.should_stop = EXIT_CODE
    last = threading.Timer(LAST_GRACE_S, _end_if_idle)
    last.daemon = True
    last.start()


def _end_if_idle() -> None:
    """A task in work, hours of training perhaps, is not cut short: the stop waits for its end."""
    if state.active_requests:
        end_worker("it still works on a task")
    else:
        os._exit(EXIT_CODE)


class Delivery(Request):
    """One message in a worker; Celery's own logs a failed acknowledgement and goes on.

    Acknowledgements are sent by the event loop, so it is asked to look at them a moment later.
    """

    def acknowledge(self) -> None:
        super().acknowledge()
        _later(self._check_window)

    def reject(self, requeue: bool = False) -> None:
        super().reject(requeue=requeue)
        _later(self._check_window)

    def _check_window(self) -> None:
        # A channel that was closed since took its window with it: Celery has connected anew.
        if not self._message.acknowledged and not self._message.channel.closed:
            end_worker("the broker was not told that a message is done with")


def _later(check: Callable[[], None]) -> None:
    if (loop := get_event_loop()) is not None:
        loop.call_later(SENT_AFTER_S, check)


class Watchdog:
    """Looks every few seconds; counts looks, not seconds: neither a stopped process nor a clock
    that is set misleads it.
    """

    def __init__(
        self,
        doorbell: Doorbell,
        *,
        name: str,
        queue: str,
        taken: Callable[[], int],
        busy: Callable[[], bool],
        end: Callable[[str], None] = end_worker,
    ) -> None:
        """`taken` counts messages received, `busy` says whether one is in work; `end` is called
        once it stalled.
        """
        self._doorbell = doorbell
        self._name = name
        self._queue = queue
        self._taken = taken
        self._busy = busy
        self._end = end
        self._last = taken()
        self._idle_looks = 0

    def look(self) -> None:
        """Compare what waits with what was taken since the last look, and tell the broker."""
        taken, busy = self._taken(), self._busy()
        try:
            idle = self._doorbell.depth(self._queue) > 0 and taken == self._last and not busy
            self._idle_looks = self._idle_looks + 1 if idle else 0
            idle_s = self._idle_looks * LOOK_S
            self._doorbell.attend(Consumer(name=self._name, queue=self._queue, idle_s=idle_s))
        except TransientError as error:
            self._idle_looks = 0  # nobody can take anything now
            log.warning("the broker can't be looked at: %s", error.detail)
        self._last = taken
        if self._idle_looks >= PATIENCE:
            self._end(f"it took nothing for {self._idle_looks * LOOK_S:g} s while messages waited")

    def run(self) -> None:
        """Look until the process ends."""
        pause = threading.Event()
        while not pause.wait(LOOK_S):
            try:
                self.look()
            except Exception:  # it must outlive whatever it meets
                log.exception("the watchdog could not look")


def install_watchdog(open_doorbell: Callable[[], Doorbell]) -> None:
    """To be called in the parent: once it is ready, a thread watches each queue that it serves."""

    watched: set[str] = set()  # the signal comes at each new connection, too

    def start(sender: Any, **_: object) -> None:
        queues = set(sender.app.amqp.queues.consume_from) - watched
        watched.update(queues)
        for queue in queues:
            watchdog = Watchdog(
                open_doorbell(),
                name=f"{sender.hostname} {queue}",
                queue=queue,
                taken=lambda: sum(state.total_count.values()),
                busy=lambda: bool(state.reserved_requests),
            )
            threading.Thread(target=watchdog.run, name=f"watch {queue}", daemon=True).start()

    worker_ready.connect(start, weak=False)
