"""What every test shares: telemetry off, no user's settings, and projects to work on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_nb.config import telemetry_off
from tests.ports_kit import free_port
from tests.skips_kit import (  # noqa: F401 - hooks
    pytest_make_collect_report,
    pytest_runtest_makereport,
)

telemetry_off()
# Figures must not depend on where the tests run; how long they run and what they leave may.
_OURS = ("MLOPS_NB_STRESS", "MLOPS_NB_SHOTS", "MLOPS_NB_CHROMIUM")
for name in [n for n in os.environ if n.startswith("MLOPS_NB_") and not n.startswith(_OURS)]:
    del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _ploomber() -> None:
    """Import Ploomber once: each load of a pipeline takes a process and two seconds otherwise.

    Tests that run the command have the processes that users have.
    """
    from mlops_nb.pipeline.ploomber import preload

    preload()


@pytest.fixture
def bare_project(tmp_path: Path) -> Path:
    """A folder with an empty pipeline."""
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    return tmp_path


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow SQLite file with its tables: making them takes seconds, copying does not."""
    from mlops_nb.stores import prepare

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    prepare(f"sqlite:///{path}")
    return path


@pytest.fixture
def mlflow_sqlite(mlflow_template: Path, tmp_path: Path) -> str:
    """The URI of a fresh MLflow SQLite file of this test's own."""
    import shutil

    path = tmp_path / "mlflow" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(mlflow_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def _mlflow_server(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory):
    """Start a real MLflow server on loopback; it gets ready while other tests run."""
    import shutil
    import signal
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("server")
    shutil.copy(mlflow_template, folder / "mlflow.db")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    yield server, f"http://127.0.0.1:{port}", folder / "server.log"
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@pytest.fixture(scope="session")
def mlflow_server(_mlflow_server) -> str:
    """The URI of a real MLflow server; tests share it, so names in it must be their own."""
    import time
    import urllib.request

    server, uri, log = _mlflow_server
    deadline = time.monotonic() + 150
    while True:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):
                return uri
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the MLflow server did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.2)


@pytest.fixture(scope="session")
def postgresql():
    """A function that makes an empty place in a throw-away PostgreSQL and gives its URL."""
    import contextlib
    import shutil
    import signal
    import subprocess
    import tempfile
    import time
    import uuid

    found = shutil.which("initdb") or max(
        (str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=""
    )
    if not found:
        pytest.fail("PostgreSQL is missing: apt-get install postgresql")
    programs = Path(found).resolve().parent
    # PostgreSQL refuses to run as root.
    who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="mlops-nb-pg-"))
    if who:
        shutil.chown(folder, who["user"], who["group"])
    run = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **who}
    data = str(folder / "data")
    options = ["--auth=trust", "--username=test", "--no-sync", "--encoding=UTF8", "--locale=C"]
    subprocess.run([str(programs / "initdb"), "-D", data, *options], check=True, **run)
    port = free_port()
    command = [str(programs / "postgres"), "-D", data, "-p", str(port)]
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
    server = subprocess.Popen(
        [*command, *(part for item in settings for part in ("-c", item))],
        start_new_session=True,
        **run,
    )
    import psycopg

    base = f"postgresql://test@127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"{base}/postgres").close()
            break
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("PostgreSQL did not start")
            time.sleep(0.1)

    def database() -> str:
        name = f"t{uuid.uuid4().hex}"
        with contextlib.closing(psycopg.connect(f"{base}/postgres", autocommit=True)) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{base}/postgres?options=-csearch_path%3D{name}"

    yield database
    server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
    server.wait(30)
    shutil.rmtree(folder)
