"""/v1/corpora: what a training run may name. They are added by `matteforge corpora add`, beside the
data."""

from fastapi import APIRouter

from core.corpora import CorpusBook, CorpusManifest
from matteforge.schemas.corpora import CorpusPage
from service.dependencies import CorpusName, KeyDep, ServicesDep, bearer
from service.problems import documented
from service.wire import corpus_out

router = APIRouter(prefix="/v1/corpora", tags=["training"], dependencies=[bearer])


@router.get("", response_model=CorpusPage, responses=documented(), summary="List corpora")
def list_corpora(services: ServicesDep, key: KeyDep) -> CorpusPage:
    """The tenant's and the house's: kind, licence, samples by split, what was left out."""
    book = CorpusBook(services.store)
    return CorpusPage(items=[corpus_out(book.get(name)) for name in book.names(key.reads)])


@router.get(
    "/{name}", response_model=CorpusManifest, responses=documented(404), summary="Look at a corpus"
)
def get_corpus(name: CorpusName, services: ServicesDep, key: KeyDep) -> CorpusManifest:
    """Its manifest: shards and rejected files by name."""
    return CorpusBook(services.store).get(name, key.reads)
