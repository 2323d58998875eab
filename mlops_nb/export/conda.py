"""Conda: ``environment.yml`` from the project's environment, and a project environment from one."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml

from mlops_nb.errors import ConfigError, ProjectError
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.quoting import comment, dump_yaml
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_nb.export.jobs import Work
    from mlops_nb.export.settings import ExportSettings
    from mlops_nb.model import Json, Pipeline

__all__ = ["CondaEnvironment", "CondaExporter", "create_environment", "read_environment"]

_SPEC = re.compile(r"(?:[A-Za-z0-9_./-]+::)?([A-Za-z0-9_.-]+) *((?:[=<>!~]=?|===)?[^;#\n]*)")
_NOT_ON_PYPI = frozenset({"pip", "python", "nodejs", "openjdk", "r-base", "cudatoolkit", "mamba"})
_PYPI_NAMES = {
    "pytorch": "torch",
    "py-xgboost": "xgboost",
    "matplotlib-base": "matplotlib",
    "dask-core": "dask",
    "msgpack-python": "msgpack",
    "pytables": "tables",
    "python-graphviz": "graphviz",
}
"""Where conda and PyPI call one package by two names."""


class CondaEnvironment(Record, frozen=True, kw_only=True):
    """What an ``environment.yml`` asks for."""

    name: str = ""
    channels: tuple[str, ...] = ()
    python: str = ""
    """Version of Python, as written; empty where none is asked for."""
    conda: tuple[str, ...] = ()
    """Specifications for conda, without Python and pip."""
    pip: tuple[str, ...] = ()
    """Requirements for pip."""

    def requirements(self) -> tuple[str, ...]:
        """Return all of it as requirements for pip; what PyPI does not have is left out."""
        found = [_requirement(spec) for spec in self.conda]
        return (*(one for one in found if one), *self.pip)

    def left_out(self) -> tuple[str, ...]:
        """Return the specifications that have no counterpart on PyPI."""
        return tuple(spec for spec in self.conda if not _requirement(spec))


class CondaExporter:
    """Writes ``environment.yml`` and the inputs of explicit locks."""

    title = "Conda"
    description = "An environment.yml with its pip part, and the inputs of explicit locks."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the environment, its pip part and what conda-lock reads."""
        work = plan_work(pipeline, settings)
        pip = list(work.settings.pip_packages) or _pip_lines(work.settings)
        specs = _specs(work)
        body = {
            "name": work.slug,
            "channels": [*work.settings.conda_channels, "nodefaults"],
            "dependencies": [*specs, {"pip": pip}],
        }
        head = work.header("conda")
        lock = {
            "channels": list(work.settings.conda_channels),
            "platforms": ["linux-64", "linux-aarch64", "osx-arm64", "win-64"],
            "dependencies": specs,
        }
        how = comment(
            "Input of an explicit lock: conda-lock lock -f conda/lock-input.yml --kind explicit"
        )
        return {
            "environment.yml": head + dump_yaml(body),
            "conda/lock-input.yml": head + how + dump_yaml(lock),
            "conda/pip-requirements.txt": head + "\n".join(_relative(pip)) + "\n",
        }


def _pip_lines(settings: ExportSettings) -> list[str]:
    """Return the arguments of the project's own ``pip install``, one requirement a line."""
    project = "." + (f"[{','.join(settings.extras)}]" if settings.extras else "")
    if not settings.install_lock and not settings.install:
        return [f"-c {settings.lock}", project]
    return [f"-r {settings.lock}", *([project] if settings.package else [])]


def _relative(pip: list[str]) -> list[str]:
    # pip reads a nested file relative to the one that names it, and a project to where it runs.
    return [re.sub(r"^(-[rc]) (?!/)", r"\1 ../", line) for line in pip]


def _specs(work: Work) -> list[str]:
    for spec in work.settings.conda_packages:
        if not re.fullmatch(_SPEC, spec):
            raise ConfigError(
                f"{spec!r} is not a conda specification",
                where="[tool.mlops-nb.export] conda-packages",
                fix='write "numpy=2.4" or "conda-forge::numpy >=2"',
            )
    for line in work.settings.pip_packages:
        if "\n" in line or not line.strip():
            raise ConfigError(
                f"{line!r} is not a requirement", where="[tool.mlops-nb.export] pip-packages"
            )
    return [f"python={work.settings.python}", "pip", *work.settings.conda_packages]


def read_environment(path: Path) -> CondaEnvironment:
    """Read an ``environment.yml``.

    Raises
    ------
    ProjectError
        It cannot be read, or is not a conda environment.
    """
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProjectError(f"cannot be read: {error}", where=str(path)) from error
    entries = body.get("dependencies") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise ProjectError("has no list of dependencies", where=str(path))
    python, conda, pip = "", [], []
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("pip"), list):
            pip += [str(line) for line in entry["pip"]]
        elif isinstance(entry, str) and (found := _SPEC.fullmatch(entry.strip())):
            if found[1] == "python":
                python = found[2].strip(" =")
            elif found[1] != "pip":
                conda.append(entry.strip())
        else:
            raise ProjectError(f"{entry!r} is not a dependency", where=str(path))
    return CondaEnvironment(
        name=str(body.get("name") or ""),
        channels=tuple(str(one) for one in body.get("channels") or ()),
        python=python,
        conda=tuple(conda),
        pip=tuple(pip),
    )


def create_environment(environment: CondaEnvironment, folder: Path) -> None:
    """Create a virtual environment that holds what a conda environment asks for, by pip.

    Parameters
    ----------
    environment
        As `read_environment` returns it; Python's version has to be the running one's.
    folder
        Where to; made by ``venv``.

    Raises
    ------
    ProjectError
        Another version of Python is asked for, or a step fails.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = re.match(r"\d+\.\d+", environment.python)
    if asked and asked[0] != running:
        raise ProjectError(
            f"asks for Python {environment.python}, this is {running}",
            where=environment.name,
            fix=f"run the command with Python {asked[0]}",
        )
    bin_folder = folder / ("Scripts" if sys.platform == "win32" else "bin")
    steps = [[sys.executable, "-m", "venv", str(folder)]]
    wanted = environment.requirements()
    if wanted:
        listing = folder / "requirements.txt"
        steps.append([str(bin_folder / "python"), "-m", "pip", "install", "-q", "-r", str(listing)])
    for step in steps:
        if step[-1].endswith("requirements.txt"):
            listing.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ProjectError(
                f"could not be made: {done.stderr.strip()[-500:]}", where=str(folder)
            )


def _requirement(spec: str) -> str:
    """Return a conda specification as a requirement for pip; empty where PyPI has none."""
    found = _SPEC.fullmatch(spec)
    if found is None or found[1].lower() in _NOT_ON_PYPI:
        return ""
    name = _PYPI_NAMES.get(found[1].lower(), found[1])
    version = found[2].strip()
    # ``name=1.2=build``, ``name 1.2 build``: the build has no counterpart.
    if exact := re.fullmatch(r"=?=?\s*([0-9][\w.+!]*)(\.\*|\*)?(?:[= ]\S+)?", version):
        fuzzy = version.startswith("=") and not version.startswith("==") and "=" not in version[1:]
        return f"{name}=={exact[1].rstrip('.')}{'.*' if exact[2] or fuzzy else ''}"
    return name + version.replace(" ", "")
