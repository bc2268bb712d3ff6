"""Training runs, corpora and versions of models as coroutines: as matteforge.training."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from matteforge import training_calls as calls
from matteforge.schemas.corpora import CorpusOut
from matteforge.schemas.curves import CurvesOut
from matteforge.schemas.models import MoveOut, VersionOut
from matteforge.schemas.training import ScheduleOut, TrainingRunOut
from matteforge.transport import AsyncTransport


class AsyncTraining:
    """What `AsyncMatteForge.training` offers: as Training."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def order(
        self,
        domain: str,
        *,
        labelled: Sequence[str],
        unlabelled: Sequence[str],
        idempotency_key: str,
        **options: Any,
    ) -> TrainingRunOut:
        return await self._transport.send(
            calls.order_run(
                domain,
                labelled=labelled,
                unlabelled=unlabelled,
                idempotency_key=idempotency_key,
                options=options,
            )
        )

    async def get(self, run_id: str) -> TrainingRunOut:
        return await self._transport.send(calls.run(run_id))

    async def list(self, *, domain: str | None = None) -> AsyncIterator[TrainingRunOut]:
        call = calls.runs(domain)
        while True:
            page = await self._transport.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def cancel(self, run_id: str) -> TrainingRunOut:
        return await self._transport.send(calls.cancel_run(run_id))

    async def wait(
        self,
        run_id: str,
        on_progress: Callable[[TrainingRunOut], None] | None = None,
        *,
        poll_s: float = 2.0,
    ) -> TrainingRunOut:
        while True:
            run = await self.get(run_id)
            if on_progress:
                on_progress(run)
            if run.state.terminal:
                return run
            await asyncio.sleep(poll_s)

    async def curves(self, run_id: str, *, stage: str | None = None) -> Sequence[CurvesOut]:
        return (await self._transport.send(calls.run_curves(run_id, stage))).items

    async def corpora(self) -> Sequence[CorpusOut]:
        return (await self._transport.send(calls.corpora())).items

    async def schedules(self) -> Sequence[ScheduleOut]:
        return (await self._transport.send(calls.schedules())).items

    async def set_schedule(
        self,
        domain: str,
        *,
        every_s: float,
        min_new_samples: int = 0,
        labelled: Sequence[str],
        unlabelled: Sequence[str],
        **options: Any,
    ) -> ScheduleOut:
        return await self._transport.send(
            calls.set_schedule(
                domain,
                every_s=every_s,
                min_new_samples=min_new_samples,
                labelled=labelled,
                unlabelled=unlabelled,
                options=options,
            )
        )

    async def delete_schedule(self, domain: str) -> None:
        await self._transport.send(calls.delete_schedule(domain))

    async def history(self, model: str) -> Sequence[MoveOut]:
        return (await self._transport.send(calls.history(model))).items

    async def version(self, model: str, version: str) -> VersionOut:
        return await self._transport.send(calls.version(model, version))

    async def promote(self, model: str, version: str, reason: str) -> Sequence[MoveOut]:
        return (await self._transport.send(calls.promote(model, version, reason))).items

    async def rollback(self, model: str, reason: str, *, present: str) -> Sequence[MoveOut]:
        return (await self._transport.send(calls.rollback(model, reason, present))).items
