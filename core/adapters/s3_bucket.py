"""Making the bucket, and signing URLs of what is in it."""

from typing import Any

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from core.adapters.s3_errors import error_code, translated_s3
from core.errors import NotFound, StoreRefused

MADE_ALREADY = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def make_bucket(client: Any, bucket: str, region: str) -> None:
    """Make the bucket unless it is there; others may make it at the same time."""
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        with translated_s3(bucket):
            client.head_bucket(Bucket=bucket)
    except NotFound:
        with translated_s3(bucket):
            try:
                client.create_bucket(Bucket=bucket, **(place if region != "us-east-1" else {}))
            except ClientError as error:
                if error_code(error) not in MADE_ALREADY:
                    raise


def signed_url(credentials: Any, url: str, region: str, expires_s: int) -> str:
    """The URL, signed for GET. StoreRefused: there are no credentials to sign it with."""
    if credentials is None:
        raise StoreRefused("there are no credentials for the object store to sign a URL with")
    request = AWSRequest(method="GET", url=url)
    S3SigV4QueryAuth(credentials.get_frozen_credentials(), "s3", region, expires_s).add_auth(
        request
    )
    return str(request.url)
