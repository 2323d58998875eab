"""Exported schedules, accepted and fired by the schedulers they are for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_nb.api import schedule_export as export
from mlops_nb.api import schedules as api
from mlops_nb.model import OccurrenceState, Overlap, Schedule

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
TOOLS = Path(os.environ.get("EXPORT_TOOLS", Path(__file__).parents[3] / ".tools"))

TASKS = "from pathlib import Path\n\n\ndef make(product):\n    Path(product).write_text('made')\n"
PLANS = {
    "weekday": ("0 6 * * mon-fri", "Europe/Berlin"),
    "skipped": ("30 2 * * *", "America/New_York"),
    "dense": ("*/5 8-18 * * mon-fri", "Asia/Kathmandu"),
    "last-day": ("last day of the month at 22", "UTC"),
    "first-monday": ("on the first monday of the month at 7:30", "Australia/Lord_Howe"),
    "either": ("0 0 13 * fri", "UTC"),
    "often": ("every 15 minutes", "UTC"),
    "odd": ("every 7 minutes", "UTC"),
    "seconds": ("every 20 seconds", "UTC"),
}


REFUSED = ("dense", "odd", "seconds")
"""What the fields of a system without zones and without a store of its own cannot say."""


def need(name: str, how: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} is missing; {how}", pytrace=False)
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Blanks, quotes and per cent signs are what crontabs and units trip over.
    root = tmp_path_factory.mktemp("real") / 'it\'s 100% "real"'
    root.mkdir()
    (root / "pipeline.yaml").write_text(
        "tasks:\n  - source: tasks.make\n    product: products/out.txt\n"
    )
    (root / "tasks.py").write_text(TASKS)
    (root / "pyproject.toml").write_text('[tool.mlops-nb]\nname = "real"\ntracking = "none"\n')
    for name, (when, zone) in PLANS.items():
        api.add(root, Schedule(name=name, when=when, timezone=zone))
    return root


def test_systemd_accepts_units_and_calendars(project: Path, tmp_path: Path) -> None:
    tool = need("systemd-analyze", "apt-get install systemd")
    files = export.write(project, "systemd", tuple(PLANS), out=tmp_path).files
    timers = sorted(tmp_path.rglob("*.timer"))
    assert len(files) == 2 * len(timers) == 2 * len(PLANS)
    for timer in timers:
        done = subprocess.run(
            [tool, "verify", "--man=no", str(timer)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), timer
        calendar = next(
            line.partition("=")[2]
            for line in timer.read_text().splitlines()
            if line.startswith("OnCalendar=")
        )
        subprocess.run([tool, "calendar", calendar], check=True, capture_output=True)


def test_kubernetes_validates_strictly(project: Path, tmp_path: Path) -> None:
    tool = TOOLS / "py" / "bin" / "kubernetes-validate"
    if not tool.exists():
        pytest.fail(
            "kubernetes-validate is missing; install it with: .ci/tools-export.sh", pytrace=False
        )
    export.write(project, "kubernetes", tuple(PLANS), out=tmp_path)
    paths = [str(path) for path in tmp_path.rglob("*.yaml")]
    assert len(paths) == len(PLANS)
    done = subprocess.run(
        [str(tool), "--strict", *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_github_workflows_validate(project: Path, tmp_path: Path) -> None:
    tool = TOOLS / "py" / "bin" / "check-jsonschema"
    if not tool.exists():
        pytest.fail(
            "check-jsonschema is missing; install it with: .ci/tools-export.sh", pytrace=False
        )
    names = [name for name in PLANS if name not in REFUSED]
    export.write(project, "github", names, out=tmp_path)
    paths = [str(path) for path in tmp_path.rglob("*.yml")]
    assert len(paths) == len(names)
    subprocess.run([str(tool), "--builtin-schema", "vendor.github-workflows", *paths], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="Debian's cron")
def test_debians_cron_fires_an_exported_entry_once(project: Path, tmp_path: Path) -> None:
    program, crontab = need("cron", "apt-get install cron"), need("crontab", "apt-get install cron")
    if os.getuid() != 0:
        pytest.fail("cron's daemon wants root", pytrace=False)
    plan = Schedule(name="minutely", when="* * * * *", overlap=Overlap.QUEUE, missed="all")
    api.add(project, plan)
    text = export.render(project, "cron", ["minutely"], machine_zone="UTC")["schedules/crontab"]
    # The same entry a second time: both fire, one runs.
    entry = text.rstrip().splitlines()[-1]
    file = tmp_path / "crontab"
    file.write_text(f"{text}{entry}\n")
    before = subprocess.run([crontab, "-l"], capture_output=True, check=False)
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([crontab, str(file)], check=True)
        daemon = subprocess.Popen(
            [program, "-f", "-L", "15"], stdout=log, stderr=log, start_new_session=True
        )
        try:
            found = _first_end(project, 300)
        finally:
            daemon.terminate()
            daemon.wait()
            if before.returncode == 0:
                subprocess.run([crontab, "-"], input=before.stdout, check=True)
            else:
                subprocess.run([crontab, "-r"], check=True)
    assert found.state is OccurrenceState.SUCCEEDED, (found, (tmp_path / "log").read_text())
    assert found.at % 60 == 0
    assert (project / "products" / "out.txt").read_text() == "made"
    assert found.attempt == 1


def _first_end(project: Path, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended = [one for one in api.history(project, "minutely") if one.state.is_final]
        if ended:
            return ended[-1]
        time.sleep(1)
    raise AssertionError(f"cron fired nothing: {api.history(project, 'minutely')}")


def test_every_file_is_yaml_or_xml(project: Path) -> None:
    from xml.etree import ElementTree

    names = [name for name in PLANS if name not in REFUSED]
    for target in export.targets():
        for name, text in export.render(project, target, names).items():
            if name.endswith((".yml", ".yaml")):
                assert list(yaml.safe_load_all(text))
            elif name.endswith(".xml"):
                ElementTree.fromstring(text)
