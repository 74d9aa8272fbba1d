"""Runs real servers on loopback, each with its files in a temporary folder."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from servers import free_port
from sprout.tracking.ui import SERVER

LONG = 300.0  # seconds; guards against hanging alone
SHOWN = 20  # last lines of what a server printed
DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian has PostgreSQL's programs, in a folder for each version."""
SUPERUSER = "sprout"
BUCKET = "team"
KEYS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Service:
    """The processes of a server, which can be killed and started again."""

    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    owner: str | None = None
    """The user that it runs as; None for this one."""
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, in a process group of its own."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.owner,
                group=self.owner,
            )

    def wait(self, answers: Callable[[], bool]) -> None:
        """Wait until it answers; fails with what it printed if it does not."""
        end = time.monotonic() + LONG
        while not answers():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > end:
                printed = self.log.read_text(errors="replace").splitlines()[-SHOWN:]
                pytest.fail(f"{' '.join(self.command)} does not answer:\n" + "\n".join(printed))
            time.sleep(0.05)

    def end(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to all its processes, and wait for its end."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signum)
        self.process.wait(LONG)


def answers(address: str) -> bool:
    """Whether a web server answers at this address."""
    with suppress(OSError), urllib.request.urlopen(address, timeout=LONG):  # noqa: S310
        return True
    return False


def programs_of_postgres() -> Path:
    """The folder of `initdb` and `postgres`, the newest of Debian's; ends the tests in one line where there is none."""
    found = shutil.which("initdb")
    if found and Path(found).with_name("postgres").exists():
        return Path(found).parent
    versions = [path.parent for path in DEBIAN.glob("*/bin/initdb")]
    if not versions:
        pytest.exit(f"PostgreSQL is missing: no initdb in PATH or {DEBIAN}; on Debian: apt-get install postgresql", 1)
    return max(versions, key=lambda folder: float(folder.parent.name))


def owner_of_postgres() -> str | None:
    """The user that PostgreSQL runs as, since it refuses root; None for this one."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return pytest.exit("PostgreSQL refuses to run as root, and there is no user postgres: add one, or be another", 1)


@contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL on a socket that only root and its own user reach; yields the URI of an empty database."""
    programs, owner = programs_of_postgres(), owner_of_postgres()
    with TemporaryDirectory(prefix="postgres-") as folder:
        data = f"{folder}/data"
        if owner:
            shutil.chown(folder, owner, owner)
        options = ["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        initdb = [programs / "initdb", "--pgdata", data, *options]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, user=owner, group=owner)
        command = [str(programs / "postgres"), "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        service = Service(command, Path(folder, "log"), owner=owner)
        service.start()
        try:
            service.wait(lambda: has_database(folder))
            yield f"postgresql+psycopg://{SUPERUSER}@/postgres?host={folder}"
        finally:
            service.end(signal.SIGINT)


def has_database(folder: str) -> bool:
    """Whether PostgreSQL takes connections."""
    with suppress(psycopg.OperationalError), psycopg.connect(host=folder, user=SUPERUSER, dbname="postgres"):
        return True
    return False


@dataclass
class TrackingServer:
    """`mlflow server` on a database, which also takes the artifacts."""

    service: Service
    uri: str
    artifacts: Path
    """Where the server keeps them."""

    @classmethod
    def on(cls, database: str, folder: Path) -> "TrackingServer":
        """Return one that has not been started."""
        port, artifacts = free_port(), folder / "artifacts"
        options = {"--backend-store-uri": database, "--artifacts-destination": str(artifacts)}
        options |= {"--host": "127.0.0.1", "--port": str(port), "--workers": "1"}
        command = [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]
        return cls(Service(command, folder / "log", SERVER), f"http://127.0.0.1:{port}", artifacts)

    def wait(self) -> None:
        """Wait until it answers."""
        self.service.wait(lambda: answers(f"{self.uri}/health"))


@contextmanager
def s3_server() -> Iterator[str]:
    """S3 on loopback with an empty bucket, for whoever has the KEYS; yields its address."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    finally:
        reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()  # noqa: S310  # another server would have the same buckets
        server.stop()
