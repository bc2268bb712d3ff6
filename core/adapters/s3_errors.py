"""What S3's answers mean in MatteForge's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from core.errors import ClockSkewed, NotFound, PreconditionFailed, StoreRefused, StoreUnavailable

MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NotFound"}
LOST_RACE = {"412", "PreconditionFailed", "ConditionalRequestConflict"}
REFUSED = {
    "ExpiredToken",
    "InvalidToken",
    "AuthorizationHeaderMalformed",
}  # S3 answers these with 400
FULL = (500, 507)  # what stores answer whose disk is full; they can still be read
SKEW_ALLOWED = timedelta(minutes=15)


@contextmanager
def translated_s3(key: str) -> Iterator[None]:
    """Errors of boto3 as errors of MatteForge."""
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in MISSING:
            raise NotFound(f"no object {key}") from error
        if code in LOST_RACE:
            raise PreconditionFailed(f"{key} exists already or has changed") from error
        if code == "RequestTimeTooSkewed" or _skewed(error):
            raise ClockSkewed(
                "the object store's clock and this machine's differ by more than it allows, mostly "
                "15 minutes: set this machine's clock right, by NTP"
            ) from error
        if code in REFUSED or error_status(error) in (401, 403):
            raise StoreRefused(
                f"the object store refuses these credentials, or they don't allow this: {code} for "
                f"{key}"
            ) from error
        away = StoreUnavailable(f"the object store answered {code} for {key}")
        away.answered = error_status(error) in FULL
        raise away from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StoreRefused(f"there are no credentials for the object store: {error}") from error
    except (BotoCoreError, OSError) as error:
        raise StoreUnavailable(
            f"the object store does not answer for {key}: {type(error).__name__}"
        ) from error


def _skewed(error: ClientError) -> bool:
    """Whether a refusal comes from a wrong clock. The answer to HEAD names no reason, since it has
    no body, but it has the store's date."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        store_at = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return False
    off = abs(datetime.now(store_at.tzinfo) - store_at)
    return error_status(error) == 403 and off > SKEW_ALLOWED


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def error_status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
