"""What names look like: the only patterns of names and ids, for requests, records and routes."""

import re
from typing import Annotated

from pydantic import StringConstraints

_WORD = "[a-z0-9][a-z0-9-]{0,62}"
_DIGEST = "sha256:[0-9a-f]{64}"

NAME = f"^{_WORD}$"
"""Names of models, aliases, corpora and domains."""
DIGEST = f"^{_DIGEST}$"
"""A bundle's digest."""
MODEL_VERSION = f"^({_WORD}|{_DIGEST})$"
"""An alias, or a digest."""
MODEL_REFERENCE = f"^{_WORD}(@({_WORD}|{_DIGEST}))?$"
"""NAME, NAME@ALIAS or NAME@sha256:DIGEST."""
BACKGROUND = f"^(builtin|#[0-9a-f]{{6}}|corpus:{_WORD})$"
"""What is put behind composites: built-in scenes, a colour, or a corpus."""
SHA256 = "^[0-9a-f]{64}$"
SHARD_NAME = r"^((train|validation|test)-)?[0-9]{6}\.tar$"
DATASET_ID = "^ds_[0-9a-f]{24}$"
TRAINING_RUN_ID = "^tr_[0-9a-f]{24}$"
MATTE_ID = r"^mt_[0-9a-f]{24}$"
MATTE_BATCH_ID = r"^mb_[0-9a-f]{24}$"

PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""What may be shown in a terminal and in a line of a log."""

_FILE = "[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"
_PATH = f"{_FILE}(/{_FILE}){{0,3}}"

FileName = Annotated[str, StringConstraints(pattern=f"^{_FILE}$")]
"""A file's name that comes from elsewhere: one plain component, which leads out of no folder."""
FilePath = Annotated[str, StringConstraints(pattern=f"^{_PATH}$")]
"""The same with up to three folders before it."""
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]


def plain_path(path: str) -> str:
    """`path` if it is a FilePath. Raises ValueError, saying what would be right."""
    if re.fullmatch(_PATH, path, re.ASCII) is None:
        raise ValueError(
            f"{path[:100]!r} is no name of a file here: letters, digits, '.', '_' and '-', not "
            "first '.' or '-', at most three folders"
        )
    return path
