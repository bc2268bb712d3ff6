"""What S3 refuses, told apart."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from botocore.exceptions import ClientError

from core.adapters.s3_errors import translated_s3
from core.errors import ClockSkewed, StoreRefused, StoreUnavailable
from service.problems import error_response


@pytest.mark.parametrize(
    ("code", "http_status", "error", "answered"),
    [
        ("RequestTimeTooSkewed", 403, ClockSkewed, 503),
        ("AccessDenied", 403, StoreRefused, 500),
        ("SlowDown", 503, StoreUnavailable, 503),
    ],
)
def test_an_answer_istranslated_s3(code, http_status, error, answered):
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": http_status}}
    with pytest.raises(error) as raised, translated_s3("a/key"):
        raise ClientError(answer, "PutObject")
    assert error_response(raised.value).status_code == answered


def test_a_wrong_clock_says_what_to_do():
    skewed = {
        "Error": {"Code": "RequestTimeTooSkewed"},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    with pytest.raises(ClockSkewed, match="set this machine's clock right"), translated_s3("k"):
        raise ClientError(skewed, "HeadObject")


@pytest.mark.parametrize(
    ("off_s", "error"),
    [(-3600, ClockSkewed), (3600, ClockSkewed), (-600, StoreRefused), (600, StoreRefused)],
)
def test_the_answer_to_head_names_no_reason_but_has_the_stores_date(off_s, error):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=off_s), usegmt=True)
    told = {"HTTPStatusCode": 403, "HTTPHeaders": {"date": date}}
    with pytest.raises(error), translated_s3("a/key"):
        raise ClientError({"Error": {"Code": "403"}, "ResponseMetadata": told}, "HeadObject")


def test_a_refusal_without_a_date_is_one_of_the_credentials():
    told = {"HTTPStatusCode": 403, "HTTPHeaders": {}}
    with pytest.raises(StoreRefused), translated_s3("a/key"):
        raise ClientError({"Error": {"Code": "403"}, "ResponseMetadata": told}, "HeadObject")
