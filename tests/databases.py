"""A real PostgreSQL server on a free port in a private folder, and schemas of their own in it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from tests.processes import free_port


def binaries() -> Path | None:
    """The folder of initdb and postgres: on the path, or where Debian's package puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


class Server:
    """PostgreSQL, started and stopped as a test likes; killed, it keeps what was committed."""

    def __init__(self, folder: Path) -> None:
        found = binaries()
        if found is None:
            pytest.skip("no PostgreSQL found: apt-get install postgresql")
        self.bin, self.folder, self.port = found, folder, free_port()
        self.process: subprocess.Popen | None = None
        # PostgreSQL refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(folder, self.user)
        self._run("initdb", "-D", str(folder / "data"), "-U", "workbench", "-A", "trust", "-N", "-E", "UTF8")
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://workbench@127.0.0.1:{self.port}/postgres"

    def _run(self, name: str, *words: str) -> None:
        done = subprocess.run(
            [self.bin / name, *words], user=self.user, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", str(self.folder / "data"), *words],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        from tests.conftest import until

        until(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(self.url, connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """As a power loss of the machine would: the server and its children, without a word to anybody."""
        import psutil

        assert self.process is not None
        family = [self.process, *psutil.Process(self.process.pid).children(recursive=True)]
        for process in family:
            process.kill()
        self.process.wait()
        psutil.wait_procs(family[1:])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            # "Fast": nobody is waited for.
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)


def started() -> Server:
    """A server in a folder that the user it runs as can reach."""
    home = Path(tempfile.mkdtemp(prefix="workbench-postgresql-"))
    home.chmod(0o711)
    if os.geteuid() == 0:
        os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    return Server(home)
