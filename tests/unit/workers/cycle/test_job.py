import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from matteforge.schemas.training import Stage
from workers.cycle import job
from workers.cycle.job import Job


@pytest.fixture
def running(tmp_path: Path) -> Job:
    """A stage that has just begun, over a store that holds nothing and takes all."""
    store = SimpleNamespace(list_keys=lambda prefix: iter(()), upload=lambda *_, **__: None)
    runs = SimpleNamespace(
        store=store,
        progress=lambda run_id: None,
        put_progress=lambda run_id, progress: None,
        is_cancelled=lambda run_id: False,
    )
    record = SimpleNamespace(id="tr_1", spec=SimpleNamespace(stage_budget_s=None))
    lease = SimpleNamespace(check=lambda: None)
    made = Job(cast(Any, runs), cast(Any, record), cast(Any, lease), tmp_path)
    made.begin(Stage.LABEL)
    return made


def test_a_long_stage_says_now_and_then_how_much_is_left(
    running: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = job.time.monotonic()
    monkeypatch.setattr(job.time, "monotonic", lambda: now_s)
    caplog.set_level(logging.INFO)
    now_s += job.PUSH_S / 2
    running.tick(0.1)  # too early to say
    assert not caplog.messages
    now_s += job.PUSH_S
    running.tick(0.36)  # 90 s for it, so 160 s for the rest
    assert caplog.messages == ["tr_1 label: 36%, about 3 min left"]
