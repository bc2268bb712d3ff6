"""What the client raises.

MatteForgeError
├── MatteForgeRequestError  the service refused; has its problem's code and detail
├── MatteForgeUnavailable   no answer, or 5xx, after every retry
├── ApiKeyInvalid           the key can't be sent
├── DownloadCorrupt         a shard's bytes do not match its sha256, twice
├── DatasetIncomplete       the dataset failed, was cancelled, or is still made
├── FolderTaken             the folder holds something else than this dataset
└── LocalStorageError       the disk is full, or the folder can't be written
"""

from matteforge.schemas.problems import FieldError, Problem


class MatteForgeError(Exception):
    """Base of everything that the client raises on purpose."""


class MatteForgeRequestError(MatteForgeError):
    """The service refused a request, by RFC 9457."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.detail} [{problem.code}]")
        self.status = problem.status
        self.code = problem.code
        self.detail = problem.detail
        self.errors: list[FieldError] = problem.errors or []


class ApiKeyInvalid(MatteForgeError):
    """An API key has printable ASCII characters alone, in one line."""


class MatteForgeUnavailable(MatteForgeError):
    """The service did not answer, however often it was asked."""


class DownloadCorrupt(MatteForgeError):
    """A shard arrived twice with other bytes than its sha256 says."""


class DatasetIncomplete(MatteForgeError):
    """A dataset that is not complete was asked for as a whole."""


class FolderTaken(MatteForgeError):
    """The folder holds something else, which is not touched."""


class LocalStorageError(MatteForgeError):
    """This machine's storage refused a file."""
