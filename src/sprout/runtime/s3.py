"""S3: the client of this process, and in one line why it does not get what it asks for.

Imports boto3, of the extra `s3`, only where S3 is asked.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sprout.runtime.errors import UserError, one_line

SCHEME = "s3://"
EXTRA = "pip install 'sprout[s3]'"
ENDPOINT = "AWS_ENDPOINT_URL"
ENDPOINTS = (f"{ENDPOINT}_S3", ENDPOINT)
"""Variables whose values are in no message."""
VARIABLES = f"see {ENDPOINT}, AWS_REGION, AWS_ACCESS_KEY_ID and the other variables and files of AWS"
TRIES = 5
"""Requests for the same; a connection may break in the middle of an answer."""
PAGE = 1000
"""Objects that a request lists; S3 lists no more."""
ABSENT = ("404", "NoSuchKey")
"""Codes of S3 for an object that is not there."""


@contextmanager
def asking(what: str, absent: str = VARIABLES) -> Iterator[Any]:
    """Yield this process's client of S3.

    Args:
        what: the address that is asked for, or the setting with it.
        absent: what to do where there is no such object.

    Raises:
        UserError: the extra is missing, or S3 does not do what the block asks for.
    """
    try:
        import boto3
        from botocore import exceptions
    except ImportError as error:
        raise UserError(f"{what}: needs the package {error.name}: {EXTRA}") from None
    try:
        yield client(os.getpid())
    except (exceptions.BotoCoreError, exceptions.ClientError, boto3.exceptions.Boto3Error) as error:
        said = one_line(error)
        for name in ENDPOINTS:
            said = said.replace(os.environ.get(name) or name, name)
        remedy = absent if code_of(error) in ABSENT else VARIABLES
        raise UserError(f"{what}: S3 at {ENDPOINT} says: {said[:300]}; {remedy}") from None


def code_of(error: Exception) -> str:
    """Return the code by which S3 refuses a request, "" for another error."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


@cache
def client(process: int) -> Any:
    """Return the client of a process: one that was forked needs its own."""
    import boto3
    from botocore.config import Config

    return boto3.Session().client("s3", config=Config(retries={"mode": "standard", "max_attempts": TRIES}))


def bucket_and_prefix(place: str) -> tuple[str, str]:
    """Return the parts of s3://BUCKET/PREFIX; the prefix ends with `/` unless it is empty."""
    bucket, _, prefix = place.removeprefix(SCHEME).partition("/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""


def objects_under(place: str, delimiter: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name under a place and what S3 says of each object, in the order of the names; by `PAGE` a request.

    Args:
        place: s3://BUCKET/PREFIX.
        delimiter: names that have it are left out.

    Raises:
        UserError: the place cannot be read.
    """
    bucket, prefix = bucket_and_prefix(place)
    with asking(place) as s3:
        pages = s3.get_paginator("list_objects_v2")
        asked = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "PaginationConfig": {"PageSize": PAGE}}
        for page in pages.paginate(**asked):
            for each in page.get("Contents", []):
                yield each["Key"].removeprefix(prefix), each
