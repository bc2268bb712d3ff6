"""Order a training run without the API: from folders of pictures, or of what has been added
before."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from core.corpora import CorpusBook
from core.errors import InvalidSpec
from core.ports import ObjectStore
from core.tenants import HOUSE
from core.training.run import new_run_id
from core.training.runs import TrainingRuns, pin_run
from matteforge.schemas.corpora import CorpusKind
from matteforge.schemas.training import TrainingSpec
from workers.commands.corpora import add_and_tell


def run_of(
    store: ObjectStore,
    domain: str,
    sources: Mapping[CorpusKind, Sequence[Path]],
    licence: str,
    options: Mapping[str, object],
) -> str:
    """Id of the domain's run that has not ended, else of a new one on DOMAIN-pairs, -images and
    -backgrounds.

    Those corpora grow by `sources` first. Raises InvalidSpec, naming the field.
    """
    runs = TrainingRuns(store)
    for record in runs.active():
        if record.spec.domain == domain:
            return record.id
    book = CorpusBook(store)
    for kind, paths in sources.items():
        for path in paths:
            add_and_tell(book, f"{domain}-{kind}", path, kind, licence)
    there = {kind: [name] for kind in CorpusKind if (name := f"{domain}-{kind}") in book.names()}
    pairs = there.get(CorpusKind.PAIRS, [])
    fields = {
        "domain": domain,
        "labelled": pairs,
        "unlabelled": there.get(CorpusKind.IMAGES, pairs),
        "backgrounds": there.get(CorpusKind.BACKGROUNDS, []),
        **options,
    }
    try:
        spec = TrainingSpec.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidSpec(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    record = pin_run(store, spec, run_id=new_run_id(HOUSE, None), owner=HOUSE)
    runs.claim(record)
    return record.id
