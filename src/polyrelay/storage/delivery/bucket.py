"""Artefacts in a bucket of S3, or of whatever speaks its protocol: MinIO, Ceph, R2, OSS.

    <prefix>px_…c4/<SHA-256>

As in `folder`, but for the drafts, which lie in the data folder until they are whole. The client is Amazon's own, an
optional extra; it blocks, so it is used in threads. Credentials are found as it finds them everywhere: the environment,
the shared file, or the machine's role.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.artefacts.ports import Absent, Draft, Place, PlaceAway
from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.storage.delivery import folder
from polyrelay.storage.delivery.folder import PIECE_BYTES

NAME = "s3"

ATTEMPTS = 3
"""Of one request, by the client itself."""

CONNECT_SECONDS = 5
READ_SECONDS = 30

_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})


def open_bucket(settings: ArtefactSettings, data: Path) -> Place:
    """The bucket that `[artefacts]` names, which must be there. Nothing is asked of it yet.

    Raises `ConfigurationError`: the client is not installed, or cannot be set up.
    """
    try:
        import boto3.session  # noqa: PLC0415 - see tools/tidy.py
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            '[artefacts] place = "s3" needs a client for it: pip install "polyrelay[s3]"'
        ) from error
    bounds = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"max_attempts": ATTEMPTS, "mode": "standard"},
        s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
        proxies={},
    )
    try:
        client = boto3.session.Session().client(
            "s3", endpoint_url=settings.s3_endpoint or None, region_name=settings.s3_region or None, config=bounds
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"[artefacts] the S3 client cannot be set up: {error}") from error
    return BucketPlace(client, settings.s3_bucket, settings.s3_prefix, data)


class BucketPlace:
    """Implements `Place`. `client` is boto3's, which threads may share."""

    name = NAME

    def __init__(self, client: Any, bucket: str, prefix: str, data: Path) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._drafts = data / folder.ROOT / folder.DRAFTS

    @asynccontextmanager
    async def draft(self, job: ExchangeId) -> AsyncIterator[Draft]:
        """See the port."""
        async with folder.drafting(self._drafts, partial(self._upload, job)) as draft:
            yield draft

    async def read(self, job: ExchangeId, digest: str, start: int, length: int) -> AsyncIterator[bytes]:
        """See the port."""
        if not length:
            await asyncio.to_thread(self._open, job, digest, None)
            return
        body = await asyncio.to_thread(self._open, job, digest, f"bytes={start}-{start + length - 1}")
        try:
            while piece := await asyncio.to_thread(_read, body):
                yield piece
        finally:
            body.close()

    async def delete(self, job: ExchangeId) -> None:
        """See the port."""
        await asyncio.to_thread(self._delete, job)

    async def tidy(self, seconds: float) -> None:
        """See the port."""
        await folder.tidy(self._drafts, seconds)

    def _key(self, job: ExchangeId, digest: str = "") -> str:
        return f"{self._prefix}{job}/{digest}"

    def _upload(self, job: ExchangeId, draft: Path, digest: str) -> None:
        with _faults(digest):
            self._client.upload_file(str(draft), self._bucket, self._key(job, digest))

    def _open(self, job: ExchangeId, digest: str, part: str | None) -> Any:
        where = {"Bucket": self._bucket, "Key": self._key(job, digest)}
        with _faults(digest):
            if part is None:
                return self._client.head_object(**where)
            return self._client.get_object(**where, Range=part)["Body"]

    def _delete(self, job: ExchangeId) -> None:
        with _faults(job):
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._key(job))
            for each in found.get("Contents", ()):
                self._client.delete_object(Bucket=self._bucket, Key=each["Key"])


def _read(body: Any) -> bytes:
    with _faults("a thing"):
        piece: bytes = body.read(PIECE_BYTES)
    return piece


@contextmanager
def _faults(name: str) -> Iterator[None]:
    """The client's errors as ours."""
    from boto3.exceptions import Boto3Error  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            raise Absent(f"{name} is not kept") from error
        raise PlaceAway(f"the bucket refuses: {error}") from error
    except (BotoCoreError, HTTPClientError, Boto3Error, OSError) as error:
        raise PlaceAway(f"the bucket cannot be used: {error}") from error
