"""What S3 refuses, told apart."""

import pytest
from botocore.exceptions import ClientError

from core.adapters.s3 import _translated
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
def test_an_answer_is_translated(code, http_status, error, answered):
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": http_status}}
    with pytest.raises(error) as raised, _translated("a/key"):
        raise ClientError(answer, "PutObject")
    assert error_response(raised.value).status_code == answered


def test_a_wrong_clock_says_what_to_do():
    skewed = {
        "Error": {"Code": "RequestTimeTooSkewed"},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    with pytest.raises(ClockSkewed, match="set this machine's clock right"), _translated("k"):
        raise ClientError(skewed, "HeadObject")
