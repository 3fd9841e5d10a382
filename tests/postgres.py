"""A PostgreSQL cluster for a test session: its own folder, port and user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import wait_for

# The password is in every address of the cluster, and in nothing that a command prints.
PASSWORD = "pg-s3cret"
_USER = "mlflow"


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        programs: The folder of PostgreSQL's programs.
        port: Its port on 127.0.0.1.
    """

    programs: Path
    port: int

    def database(self, name: str) -> str:
        """Create a database; return its address."""
        words = ["-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, name]
        environment = {"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD}
        subprocess.run([self.programs / "createdb", *words], env=environment, check=True)
        return f"postgresql+psycopg2://{_USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, of the newest version; None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _version(initdb: Path) -> int:
    return int(initdb.parts[-3])


@contextmanager
def running(programs: Path, port: int) -> Iterator[Cluster]:
    """Run a cluster; it is another user's where this process is root, which PostgreSQL refuses."""
    # pytest's folders are closed to other users.
    with tempfile.TemporaryDirectory(prefix="ocr-postgres-") as path:
        folder, data = Path(path), Path(path) / "data"
        (folder / "password").write_text(PASSWORD)
        other: dict[str, Any] = {}
        if os.getuid() == 0:
            user = _unprivileged()
            other = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            for each in (folder, folder / "password"):
                os.chown(each, user.pw_uid, user.pw_gid)
        words = [
            "-D",
            str(data),
            "-U",
            _USER,
            "--pwfile",
            str(folder / "password"),
            "-A",
            "scram-sha-256",
        ]
        subprocess.run(
            [str(programs / "initdb"), *words, "--no-sync"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
            **other,
        )
        settings = ["listen_addresses=127.0.0.1", "fsync=off", f"unix_socket_directories={folder}"]
        flags = [word for setting in settings for word in ("-c", setting)]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), *flags],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **other,
            )
        try:

            def is_ready() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                words = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
                return subprocess.run(words, check=False).returncode == 0

            wait_for(is_ready)
            yield Cluster(programs, port)
        finally:
            process.send_signal(signal.SIGINT)  # ends its connections
            process.wait(60)


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
