"""The API answers as its OpenAPI document says (schemathesis): each operation alone, with what the
document allows and with what it forbids, then in chains, where ids come from earlier answers."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from core.adapters.memory import MemoryLiveView
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_store import MemoryStore
from core.bundle import Bundle
from core.registry import Registry
from core.settings import Settings
from service.app import create_app

KEY = {"Authorization": "Bearer k"}
PATIENCE_S = 100  # a matte may be waited for
# What no schema can say: that a corpus or a cursor is known, that shares add up to 1.
ALLOWED = {"expected-statuses": ["2xx", "307", "400", "404", "409", "422"]}
CONFIG = {
    "checks": {"positive_data_acceptance": ALLOWED},
    "generation": {"mode": "positive"},  # of chains
    "request-timeout": PATIENCE_S,
}
FEW = settings(
    max_examples=12,
    derandomize=True,  # a run that nobody watches fails by the product alone
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    stateful_step_count=6,
)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[schemathesis.BaseSchema, Callable[[], None]]]:
    """The API as its document describes it, and what puts back all that it keeps."""
    store, live = MemoryStore(), MemoryLiveView()
    folder = tmp_path_factory.mktemp("bundle")
    bundle = Bundle(name="humans", files={}, thresholds={"mad": 0.03}, resolution=64)
    (folder / "bundle.json").write_bytes(bundle.to_bytes())
    Registry(store).publish(folder)
    app = create_app(Settings(api_key="k"), store=store, live=live, doorbell=MemoryDoorbell())
    logging.disable(logging.ERROR)
    with TestClient(app):
        config = SchemathesisConfig.from_dict(CONFIG)
        begun = dict(store._objects)

        def put_back() -> None:
            store._objects = dict(begun)
            live._datasets.clear()

        yield schemathesis.openapi.from_asgi("/openapi.json", app, config=config), put_back
    logging.disable(logging.NOTSET)


@pytest.fixture
def described(
    served: tuple[schemathesis.BaseSchema, Callable[[], None]],
) -> schemathesis.BaseSchema:
    """The API that knows nothing yet."""
    served[1]()
    return served[0]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_described(
    described: schemathesis.BaseSchema, mode: GenerationMode
) -> None:
    tried, wrong = 0, []
    for found in described.get_all_operations():
        operation = found.ok()

        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: schemathesis.Case) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(headers=KEY)

        try:
            answers()
        except Unsatisfiable:  # nothing can be wrong with a request for /healthz
            continue
        except BaseExceptionGroup as failures:
            wrong.append(f"{operation.label}: {failures}")
    assert tried > 300
    assert not wrong, "\n\n".join(wrong)


def test_chains_of_operations_answer_as_described(
    described: schemathesis.BaseSchema, served: tuple[schemathesis.BaseSchema, Callable[[], None]]
) -> None:
    streams = r"/events$"  # they end with their dataset, which nobody makes here

    class Chains(described.exclude(path_regex=streams).as_state_machine()):
        def setup(self) -> None:
            served[1]()  # tried again, a chain must meet what it met before

        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, object]:
            return {"headers": KEY}

        def before_call(self, case: schemathesis.Case) -> None:
            if isinstance(case.body, dict):
                case.body.pop("wait_s", None)  # for a matte that nobody makes here

        def after_call(self, response: schemathesis.Response, case: schemathesis.Case) -> None:
            answered[response.status_code // 100] += 1

    answered: Counter[int] = Counter()
    Chains.run(settings=settings(FEW, max_examples=80))
    assert answered[2] > 100
