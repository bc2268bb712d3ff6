"""croissant.json: what the dataset is, for machines (MLCommons Croissant 1.1), and index.json."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from core.datasets.manifest import DatasetRecord, ManifestHead, ShardRecord
from workers.control.companions.licence import Licence

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
LISTED = 1000  # shards that are listed one by one


def croissant(
    record: DatasetRecord,
    head: ManifestHead,
    shards: Sequence[ShardRecord],
    table: tuple[pa.Schema, str],
    licence: Licence,
) -> dict[str, Any]:
    """The whole file; table: schema and SHA-256 of samples.parquet."""
    schema, sha256 = table
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": head.id,
        "description": f"{head.counts.accepted} {record.spec.source} portraits with alpha, made by "
        "MatteForge.",
        "license": licence.text
        if licence.code == "other"
        else f"https://spdx.org/licenses/{licence.text}",
        "url": f"urn:matteforge:{head.id}",
        "version": "1.0.0",
        "datePublished": head.timestamps[head.state].isoformat(),
        "citeAs": "Adversarially-Guided Portrait Matting, arXiv:2305.02981",
        "distribution": [
            _file("samples.parquet", "application/x-parquet", sha256),
            *(_file(shard.name, "application/x-tar", shard.sha256) for shard in shards[:LISTED]),
        ],
        "recordSet": [_record_set(schema)],
    }


def wids_index(head: ManifestHead, shards: Sequence[ShardRecord]) -> dict[str, Any]:
    """index.json, by which `wids` finds a sample by its number."""
    return {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": head.id,
        "shardlist": [
            {"url": shard.name, "nsamples": shard.samples, "filesize": shard.size_bytes}
            for shard in shards
        ],
    }


def _file(name: str, media_type: str, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": media_type,
        "sha256": sha256,
    }


def _record_set(schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "A row a sample: where its members lie, seed, scores, digests.",
        "key": {"@id": "samples/key"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"samples/{field.name}",
                "name": field.name,
                "dataType": _data_type(field.type),
                "source": {
                    "fileObject": {"@id": "samples.parquet"},
                    "extract": {"column": field.name},
                },
            }
            for field in schema
        ],
    }


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
