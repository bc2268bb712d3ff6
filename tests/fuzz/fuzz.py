"""Fuzz one target by coverage until the time is over or something breaks: `pip install atheris`,
then `python tests/fuzz/fuzz.py images --seconds 600 --corpus /tmp/corpus`.

What it writes as crash-* goes into tests/data/fuzz/TARGET, where test_fuzz.py tries it for ever.
"""

import sys
from pathlib import Path

import atheris
import click

with atheris.instrument_imports(
    include=["core", "service", "models", "workers", "matteforge", "PIL", "tarfile", "zipfile"]
):
    from targets import TARGETS


@click.command()
@click.argument("name", type=click.Choice(sorted(TARGETS)))
@click.option("--seconds", default=600, show_default=True)
@click.option("--corpus", type=click.Path(path_type=Path, file_okay=False), required=True)
def fuzz(name: str, seconds: int, corpus: Path) -> None:
    """Call the target with ever new bytes; ends with an error at the first that it doesn't take or
    refuse properly."""
    folder = corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
    limits = (f"-max_total_time={seconds}", "-rss_limit_mb=4000", "-timeout=30", "-max_len=16384")
    atheris.Setup([sys.argv[0], str(folder), f"-artifact_prefix={folder}-", *limits], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz()
