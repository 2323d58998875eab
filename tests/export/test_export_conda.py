from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from export_samples import small

from mlops_nb import export
from mlops_nb.errors import ConfigError, ProjectError
from mlops_nb.export.conda import CondaEnvironment, create_environment, read_environment


def test_environment_with_its_pip_part(tmp_path: Path) -> None:
    settings = {
        "pip-packages": ["numpy==2.4.0", "mlops-nb==0.1.0"],
        "conda-packages": ["openjdk=21"],
    }
    files = export.render("conda", small(), settings)
    body = yaml.safe_load(files["environment.yml"])
    assert body["dependencies"] == [
        *("python=3.12", "pip", "openjdk=21"),
        {"pip": ["numpy==2.4.0", "mlops-nb==0.1.0"]},
    ]
    assert files["conda/pip-requirements.txt"].endswith("\nnumpy==2.4.0\nmlops-nb==0.1.0\n")
    export.write("conda", files, tmp_path)
    back = read_environment(tmp_path / "environment.yml")
    assert back.python == "3.12"
    assert back.pip == ("numpy==2.4.0", "mlops-nb==0.1.0")
    assert back.left_out() == ("openjdk=21",)


def test_without_a_listing_the_lock_is_named() -> None:
    files = export.render("conda", small(), {"lock": "locks/prod.txt"})
    assert yaml.safe_load(files["environment.yml"])["dependencies"][-1] == {
        "pip": ["-r locks/prod.txt"]
    }
    assert files["conda/pip-requirements.txt"].endswith("\n-r ../locks/prod.txt\n")


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=2.4", "numpy==2.4.*"),
        ("numpy==2.4.1", "numpy==2.4.1"),
        ("numpy 2.4.1 py312_0", "numpy==2.4.1"),
        ("numpy=2.4.1=py312_0", "numpy==2.4.1"),
        ("numpy=2.4.*", "numpy==2.4.*"),
        ("conda-forge::pandas >=2,<3", "pandas>=2,<3"),
        ("pytorch>=2", "torch>=2"),
        ("openjdk=21", ""),
    ],
)
def test_conda_specifications_become_requirements(spec: str, requirement: str) -> None:
    assert CondaEnvironment(conda=(spec,)).requirements() == ((requirement,) if requirement else ())


@pytest.mark.parametrize(
    "text", ["- a", "a: b", "dependencies: {a: 1}", "dependencies: [[1]]", "{"]
)
def test_what_is_no_environment_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(text)
    with pytest.raises(ProjectError):
        read_environment(tmp_path / "environment.yml")


def test_a_project_environment_is_made_from_one(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = CondaEnvironment(name="x", python=version, pip=("--no-index", "no-such-package-here"))
    with pytest.raises(ProjectError, match="could not be made"):
        create_environment(missing, tmp_path / "env")
    assert (tmp_path / "env/pyvenv.cfg").is_file()
    assert "no-such-package-here" in (tmp_path / "env/requirements.txt").read_text()
    with pytest.raises(ProjectError, match=r"asks for Python 2\.7"):
        create_environment(CondaEnvironment(name="x", python="2.7"), tmp_path / "other")


def test_hostile_specifications_are_refused() -> None:
    with pytest.raises(ConfigError):
        export.render("conda", small(), {"conda-packages": ["numpy\n- evil"]})
    with pytest.raises(ConfigError):
        export.render("conda", small(), {"pip-packages": ["numpy\n--index-url x"]})
