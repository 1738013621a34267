"""What jobs made, kept by the relay itself for channels with `artefacts = "store"`."""

from dataclasses import dataclass

from polyrelay.settings.bounds import MIB


@dataclass(frozen=True, slots=True)
class ArtefactSettings:
    """Fetched from the upstream once a job has succeeded, and served by signed links that end. Until it is there, and
    when it cannot be had, clients get the upstream's own address.
    """

    place: str = "folder"
    """`folder`: in the data folder, which several machines must share. `s3`: in a bucket; needs `polyrelay[s3]`."""
    s3_bucket: str = ""
    """Its name; it must be there. Credentials are found as Amazon's own tools find them: `AWS_ACCESS_KEY_ID` and
    `AWS_SECRET_ACCESS_KEY`, the shared file, or the machine's role."""
    s3_prefix: str = "artefacts/"
    """What the names of all things begin with."""
    s3_endpoint: str = ""
    """Such as `https://minio.example.com:9000`. Empty: Amazon's."""
    s3_region: str = ""
    """Empty: whatever the environment says."""
    largest_bytes: int = 512 * MIB
    """Of one thing; more is not kept. A song is 5 MB, a minute of video some 50."""
    timeout_seconds: float = 600.0
    """For fetching one thing."""
    attempts: int = 5
    """How often it is tried until the upstream's address is left to the client for good."""
    first_delay_seconds: float = 10.0
    """Before the second attempt. Each further delay is three times the one before. Webhooks wait for all of it."""
    concurrency: int = 4
    """Things being fetched at once in one process."""
    link_seconds: float = 86400.0
    """How long a link works. Asking for the job again gives a new one."""
    retention_days: int = 30
    """Delete a thing so long after it was fetched. 0 keeps all."""
    allow_http: bool = False
    """Fetch from `http://` addresses too. A channel's own address is always allowed, whatever it is."""
    allowed_ports: tuple[int, ...] = ()
    """Ports beside 443 (and 80 with `allow_http`)."""
    allowed_networks: tuple[str, ...] = ()
    """Networks inside that may be fetched from: where upstreams of your own intranet keep what they made."""
