"""Training runs, corpora and versions of models as Python methods."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from matteforge import training_calls as calls
from matteforge.schemas.corpora import CorpusOut
from matteforge.schemas.curves import CurvesOut
from matteforge.schemas.models import MoveOut, VersionOut
from matteforge.schemas.training import ScheduleOut, TrainingRunOut
from matteforge.transport import Transport


class Training:
    """What `MatteForge.training` offers. Errors as there."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def order(
        self,
        domain: str,
        *,
        labelled: Sequence[str],
        unlabelled: Sequence[str],
        idempotency_key: str,
        **options: Any,
    ) -> TrainingRunOut:
        """One turn of the cycle; options are the other fields of TrainingSpec."""
        return self._transport.send(
            calls.order_run(
                domain,
                labelled=labelled,
                unlabelled=unlabelled,
                idempotency_key=idempotency_key,
                options=options,
            )
        )

    def get(self, run_id: str) -> TrainingRunOut:
        return self._transport.send(calls.run(run_id))

    def list(self, *, domain: str | None = None) -> Iterator[TrainingRunOut]:
        """Newest first, all pages."""
        call = calls.runs(domain)
        while True:
            page = self._transport.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def cancel(self, run_id: str) -> TrainingRunOut:
        return self._transport.send(calls.cancel_run(run_id))

    def wait(
        self,
        run_id: str,
        on_progress: Callable[[TrainingRunOut], None] | None = None,
        *,
        poll_s: float = 2.0,
    ) -> TrainingRunOut:
        """Poll until the run has ended, however it ended."""
        while True:
            run = self.get(run_id)
            if on_progress:
                on_progress(run)
            if run.state.terminal:
                return run
            self._transport.sleep(poll_s)

    def curves(self, run_id: str, *, stage: str | None = None) -> Sequence[CurvesOut]:
        """Losses and other scalars over steps, by stage and log."""
        return self._transport.send(calls.run_curves(run_id, stage)).items

    def corpora(self) -> Sequence[CorpusOut]:
        return self._transport.send(calls.corpora()).items

    # Schedules

    def schedules(self) -> Sequence[ScheduleOut]:
        return self._transport.send(calls.schedules()).items

    def set_schedule(
        self,
        domain: str,
        *,
        every_s: float,
        min_new_samples: int = 0,
        labelled: Sequence[str],
        unlabelled: Sequence[str],
        **options: Any,
    ) -> ScheduleOut:
        """Train a domain again and again; options as of `order`."""
        return self._transport.send(
            calls.set_schedule(
                domain,
                every_s=every_s,
                min_new_samples=min_new_samples,
                labelled=labelled,
                unlabelled=unlabelled,
                options=options,
            )
        )

    def delete_schedule(self, domain: str) -> None:
        self._transport.send(calls.delete_schedule(domain))

    # Versions

    def history(self, model: str) -> Sequence[MoveOut]:
        """The audit trail of a model's aliases, newest first."""
        return self._transport.send(calls.history(model)).items

    def version(self, model: str, version: str) -> VersionOut:
        """version: an alias or sha256:DIGEST."""
        return self._transport.send(calls.version(model, version))

    def promote(self, model: str, version: str, reason: str) -> Sequence[MoveOut]:
        """Make a version the champion; returns the audit trail."""
        return self._transport.send(calls.promote(model, version, reason)).items

    def rollback(self, model: str, reason: str, *, present: str) -> Sequence[MoveOut]:
        """Make the champion before `present` (a digest) champion again; nothing when `present` is
        not the champion."""
        return self._transport.send(calls.rollback(model, reason, present)).items
