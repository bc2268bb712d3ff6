"""Training runs, corpora and versions of models as Python methods."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from matteforge.schemas.corpora import CorpusOut, CorpusPage
from matteforge.schemas.models import MoveOut, MovePage, VersionOut
from matteforge.schemas.training import ScheduleOut, SchedulePage, TrainingRunOut, TrainingRunPage
from matteforge.transport import Transport

PAGE = 20


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
        body = {
            "domain": domain,
            "labelled": list(labelled),
            "unlabelled": list(unlabelled),
            **options,
        }
        headers = {"Idempotency-Key": idempotency_key}
        answer = self._transport.request("POST", "/v1/training-runs", json=body, headers=headers)
        return TrainingRunOut.model_validate_json(answer.content)

    def get(self, run_id: str) -> TrainingRunOut:
        return TrainingRunOut.model_validate_json(
            self._transport.request("GET", _run(run_id)).content
        )

    def list(self, *, domain: str | None = None) -> Iterator[TrainingRunOut]:
        """Newest first, all pages."""
        params: dict[str, str | int] = {"limit": PAGE} | ({"domain": domain} if domain else {})
        while True:
            answer = self._transport.request("GET", "/v1/training-runs", params=params)
            page = TrainingRunPage.model_validate_json(answer.content)
            yield from page.items
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    def cancel(self, run_id: str) -> TrainingRunOut:
        answer = self._transport.request("POST", f"{_run(run_id)}/cancel")
        return TrainingRunOut.model_validate_json(answer.content)

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

    def corpora(self) -> Sequence[CorpusOut]:
        return CorpusPage.model_validate_json(
            self._transport.request("GET", "/v1/corpora").content
        ).items

    # Schedules

    def schedules(self) -> Sequence[ScheduleOut]:
        return SchedulePage.model_validate_json(
            self._transport.request("GET", "/v1/training-schedules").content
        ).items

    def set_schedule(
        self, domain: str, *, every_s: float, min_new_samples: int = 0, labelled: Sequence[str],
        unlabelled: Sequence[str], **options: Any,
    ) -> ScheduleOut:  # fmt: skip
        """Train a domain again and again; options as of `order`."""
        run = {
            "domain": domain,
            "labelled": list(labelled),
            "unlabelled": list(unlabelled),
            **options,
        }
        body = {"every_s": every_s, "min_new_samples": min_new_samples, "run": run}
        return ScheduleOut.model_validate_json(
            self._transport.request("PUT", _schedule(domain), json=body).content
        )

    def delete_schedule(self, domain: str) -> None:
        self._transport.request("DELETE", _schedule(domain))

    # Versions

    def history(self, model: str) -> Sequence[MoveOut]:
        """The audit trail of a model's aliases, newest first."""
        return MovePage.model_validate_json(
            self._transport.request("GET", _model(model, "history")).content
        ).items

    def version(self, model: str, version: str) -> VersionOut:
        """version: an alias or sha256:DIGEST."""
        answer = self._transport.request("GET", _model(model, "versions", version))
        return VersionOut.model_validate_json(answer.content)

    def promote(self, model: str, version: str, reason: str) -> Sequence[MoveOut]:
        """Make a version the champion; returns the audit trail."""
        body = {"version": version, "reason": reason}
        answer = self._transport.request("POST", _model(model, "promote"), json=body)
        return MovePage.model_validate_json(answer.content).items

    def rollback(self, model: str, reason: str, *, present: str) -> Sequence[MoveOut]:
        """Make the champion before `present` (a digest) champion again; nothing when `present` is
        not the champion."""
        answer = self._transport.request(
            "POST", _model(model, "rollback"), json={"reason": reason, "present": present}
        )
        return MovePage.model_validate_json(answer.content).items


def _run(run_id: str) -> str:
    return f"/v1/training-runs/{quote(run_id, safe='')}"


def _schedule(domain: str) -> str:
    return f"/v1/training-schedules/{quote(domain, safe='')}"


def _model(name: str, *rest: str) -> str:
    return "/".join(("/v1/models", *(quote(part, safe=":") for part in (name, *rest))))
