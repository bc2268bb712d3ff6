"""What routes work with: the ports and what is built on them, handed over by the composition root.

Dependencies that do not wait are async: FastAPI sends each other one through its thread pool.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPBearer

from core.datasets.catalog import Catalog
from core.errors import Forbidden, NotFound, TransientError
from core.keyring import ApiKey
from core.matte_batches import MatteBatches
from core.ports import Doorbell, LiveView, ObjectStore
from core.registry import Registry
from core.settings import Settings
from core.training.runs import TrainingRuns
from matteforge.schemas.names import (
    DATASET_ID,
    MATTE_BATCH_ID,
    MATTE_ID,
    NAME,
    SHARD_NAME,
    TRAINING_RUN_ID,
)
from service.limits import Admission
from service.samples import Samples


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything a request may need."""

    settings: Settings
    store: ObjectStore
    live: LiveView
    doorbell: Doorbell
    catalog: Catalog
    registry: Registry
    samples: Samples
    admission: Admission

    def owner_of(self, dataset_id: str) -> str:
        """The tenant whose dataset it is. NotFound."""
        try:
            if (view := self.live.get(dataset_id)) and view.owner:
                return view.owner
        except TransientError:
            pass  # the store knows it, too
        return self.catalog.request(dataset_id).owner


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _key(request: Request) -> ApiKey:
    key: ApiKey = request.state.key
    return key


ServicesDep = Annotated[Services, Depends(_services)]
KeyDep = Annotated[ApiKey, Depends(_key)]


async def _owner(key: KeyDep) -> str:
    """Whose data a request makes: its key's tenant's."""
    return key.tenant


OwnerDep = Annotated[str, Depends(_owner)]

# The check itself is service.middleware.BearerAuth, which also guards what is no route; this
# documents it in OpenAPI.
bearer = Security(
    HTTPBearer(auto_error=False, scheme_name="ApiKey", description="`Authorization: Bearer KEY`")
)


def matching(pattern: str, what: str, value: str) -> str:
    """`value`; NotFound when it can't name anything, so that the store is never asked for odd
    keys."""
    if re.fullmatch(pattern, value, re.ASCII) is None:
        raise NotFound(f"there is no {what} {value[:100]!r}")
    return value


DatasetPath = Annotated[str, Path(examples=["ds_0123456789abcdef01234567"])]
RunPath = Annotated[str, Path(examples=["tr_0123456789abcdef01234567"])]
BatchPath = Annotated[str, Path(examples=["mb_0123456789abcdef01234567"])]


def _dataset_id(dataset_id: DatasetPath, key: KeyDep, services: ServicesDep) -> str:
    """The id. NotFound for another tenant's, as for one that never was."""
    matching(DATASET_ID, "dataset", dataset_id)
    if not key.admin and not key.sees(services.owner_of(dataset_id)):
        raise NotFound(f"there is no dataset {dataset_id}")
    return dataset_id


async def _shard_name(name: Annotated[str, Path(examples=["000000.tar"])]) -> str:
    return matching(SHARD_NAME, "shard", name)


async def _model_name(name: Annotated[str, Path(examples=["humans"])]) -> str:
    return matching(NAME, "model", name)


def _readable_model(
    name: Annotated[str, Depends(_model_name)], key: KeyDep, services: ServicesDep
) -> str:
    """A model that the key may read; NotFound for all others."""
    services.registry.aliases(name, key.reads)
    return name


def _own_model(
    name: Annotated[str, Depends(_readable_model)], key: KeyDep, services: ServicesDep
) -> str:
    """A model that the key may change. NotFound, Forbidden."""
    if not key.changes(tenant := services.registry.aliases(name).tenant):
        raise Forbidden(f"the model {name} is the tenant {tenant}'s, and changed by its keys alone")
    return name


def _training_run_id(run_id: RunPath, key: KeyDep, services: ServicesDep) -> str:
    """The id of a run that the key may see; NotFound for all others."""
    matching(TRAINING_RUN_ID, "training run", run_id)
    if not key.admin and not key.sees(TrainingRuns(services.store).request(run_id).owner):
        raise NotFound(f"there is no training run {run_id}")
    return run_id


async def _matte_id(
    matte_id: Annotated[str, Path(examples=["mt_006720000000000000000000"])],
) -> str:
    return matching(MATTE_ID, "matte", matte_id)


def _matte_batch_id(batch_id: BatchPath, key: KeyDep, services: ServicesDep) -> str:
    """The id of a batch that the key may see; NotFound for all others."""
    matching(MATTE_BATCH_ID, "batch", batch_id)
    if not key.sees(MatteBatches(services.store).record(batch_id).matte.owner):
        raise NotFound(f"there is no batch {batch_id!r} of mattes")
    return batch_id


async def _corpus_name(name: Annotated[str, Path(examples=["portraits"])]) -> str:
    return matching(NAME, "corpus", name)


DatasetId = Annotated[str, Depends(_dataset_id)]
ShardName = Annotated[str, Depends(_shard_name)]
ModelName = Annotated[str, Depends(_model_name)]
ReadableModel = Annotated[str, Depends(_readable_model)]
OwnModel = Annotated[str, Depends(_own_model)]
TrainingRunId = Annotated[str, Depends(_training_run_id)]
CorpusName = Annotated[str, Depends(_corpus_name)]
MatteId = Annotated[str, Depends(_matte_id)]
MatteBatchId = Annotated[str, Depends(_matte_batch_id)]
