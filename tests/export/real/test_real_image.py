"""Builds the exported image with buildah, and runs the pipeline in it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_project import DATA, REPOSITORY, expected, make_project

Buildah = Callable[..., str]
WHEEL = "mlops_nb-0.0.0-py3-none-any.whl"
PLACES = "/repository\n/packages\n"


@pytest.fixture
def buildah(tmp_path: Path, find_tool) -> Iterator[Buildah]:
    program = find_tool("buildah")
    stores = ["--root", str(tmp_path / "images"), "--runroot", str(tmp_path / "running")]
    env = os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}

    def call(*words: str) -> str:
        done = subprocess.run(
            [program, *stores, *words], env=env, capture_output=True, text=True, timeout=1500
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()

    yield call
    call("rm", "--all")
    shutil.rmtree(tmp_path / "images")


def wheel(folder: Path) -> str:
    """Make a wheel that stands for mlops-nb and all it needs; return its digest.

    It holds the way to folders that are mounted, so that nothing comes from the network.
    """
    folder.mkdir()
    files = {
        "mlops_nb_places.pth": PLACES,
        "mlops_nb-0.0.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mlops-nb\nVersion: 0.0.0\n",
        "mlops_nb-0.0.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "mlops_nb-0.0.0.dist-info/entry_points.txt": "[console_scripts]\nmlops-nb = mlops_nb.cli.main:main\n",
    }
    record = "mlops_nb-0.0.0.dist-info/RECORD"
    rows = [f"{name},sha256={digest(text)},{len(text)}" for name, text in files.items()]
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, text in {**files, record: "\n".join([*rows, f"{record},,", ""])}.items():
            archive.writestr(name, text)
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def base_image(buildah: Buildah, wheels: Path, archive: str) -> str:
    """Make an image with Python, and with an index of packages that is a folder."""
    name = "localhost/python"
    made = buildah("from", "scratch")
    buildah("add", "--quiet", made, archive, "/")
    buildah("copy", "--quiet", made, str(wheels), "/wheels")
    buildah("config", "--env", "PIP_NO_INDEX=1", "--env", "PIP_FIND_LINKS=/wheels", made)
    buildah("commit", "--quiet", made, name)
    return name


def test_buildah_builds_the_image_and_it_runs_the_pipeline(
    tmp_path: Path, find_tool, buildah: Buildah
) -> None:
    archive = find_tool("the base image", "base/root.tar")
    sha = wheel(tmp_path / "wheels")
    base = base_image(buildah, tmp_path / "wheels", archive)
    root = tmp_path / "project"
    settings = {"base-image": base, "hashes": True, "install": []}
    make_project(root, "docker", **settings)
    (root / "requirements.txt").write_text(f"mlops-nb==0.0.0 --hash=sha256:{sha}\n")
    (root / ".env").write_text("DB_PASSWORD=hunter2\n")
    (root / "products").mkdir()
    (root / "products/raw.json").write_text("not for the image")
    buildah("build", "--quiet", "--pull-never", "--tag", "demo", str(root))

    made = buildah("from", "--pull-never", "demo")
    folders = {
        "/repository": REPOSITORY,
        "/packages": Path(sysconfig.get_path("purelib")),
        "/usr/local/share/jupyter": Path(sys.prefix, "share/jupyter"),
    }
    mounts = [word for to, place in folders.items() for word in ("-v", f"{place}:{to}:ro")]

    def inside(script: str) -> str:
        return buildah("run", *mounts, made, "--", "sh", "-ec", script)

    assert inside("id -u; id -g").split() == ["10001", "10001"]
    assert inside("ls -A . products .mlops").count("raw.json") == 0
    assert inside("find / -xdev -name .env -not -path '/proc/*' 2>/dev/null || true") == ""
    # Debian's Python has a fault in its regular expressions that HTML reports run into.
    inside("MLOPS_NB_REPORTS=failures exec mlops-nb run")
    products = {name: inside(f"cat 'products/{name}'") for name in DATA}
    assert products == expected()
