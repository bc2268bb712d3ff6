"""Prometheus metrics: requests as they pass, datasets and queues when they are scraped."""

import logging
import time
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import TransientError
from core.messages import QUEUES
from core.ports import Doorbell, LiveView
from matteforge.schemas.datasets import DatasetState

log = logging.getLogger(__name__)


class Metrics:
    """One registry an application. The request histogram also counts requests by route and
    status."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, live: LiveView, doorbell: Doorbell) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_ControlPlane(live, doorbell))
        self.requests = Histogram(
            "matteforge_request_seconds",
            "Time until the last byte of a response",
            ("method", "route", "status"),
            registry=self._registry,
            buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )

    def exposition(self) -> bytes:
        return generate_latest(self._registry)


class _ControlPlane(Collector):
    """Read at each scrape; left out while Redis is away."""

    def __init__(self, live: LiveView, doorbell: Doorbell) -> None:
        self._live = live
        self._doorbell = doorbell

    def collect(self) -> Iterator[Metric]:
        datasets = GaugeMetricFamily(
            "matteforge_active_datasets", "Datasets that have not ended", labels=["state"]
        )
        depth = GaugeMetricFamily(
            "matteforge_queue_messages", "Messages that wait in a queue", labels=["queue"]
        )
        there = GaugeMetricFamily("matteforge_workers", "Workers of a queue", labels=["queue"])
        stalled = GaugeMetricFamily(
            "matteforge_stalled_workers",
            "Workers that take nothing while messages wait",
            labels=["queue"],
        )
        try:
            workers = self._doorbell.consumers()
            views = [self._live.get(dataset_id) for dataset_id in self._live.active_ids()]
            states = Counter(view.state for view in views if view)
            for state in DatasetState:
                if not state.terminal:
                    datasets.add_metric([state], states[state])
            for queue in QUEUES:
                depth.add_metric([queue], self._doorbell.depth(queue))
                own = [worker for worker in workers if worker.queue == queue]
                there.add_metric([queue], len(own))
                stalled.add_metric([queue], sum(worker.stalled for worker in own))
        except TransientError as error:
            log.warning("metrics without the control plane: %s", error.detail)
            return
        yield from (datasets, depth, there, stalled)

    def describe(self) -> Iterator[Metric]:
        return iter(())


class RequestMetrics:
    """Observes each request under its route's template, never its path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._requests = metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path_format", "unmatched")
            method = scope["method"] if scope.get("route") else "any"
            self._requests.labels(method, route, str(status)).observe(time.perf_counter() - start)
