"""A registry: the ledger, MLflow's registry that mirrors it, and where artifacts lie."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlops_nb.errors import ArtifactError, RegistryError, TrackingError
from mlops_nb.registry.artifact import check_artifact
from mlops_nb.registry.inputs import gate_inputs
from mlops_nb.registry.ledger import Ledger
from mlops_nb.registry.settings import AnyGate, GateSettings, RegistrySettings, gate_digest
from mlops_nb.stores import default_artifacts, experiment_id, mlflow_client, mlflow_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.config import Project
    from mlops_nb.model import ModelVersion

__all__ = ["Registry", "check_alias", "check_name", "local_path", "open_registry", "user_name"]


class Registry:
    """What every function of this stage works on.

    Parameters
    ----------
    ledger
        The ledger.
    tracking_uri
        MLflow's; absolute.
    experiment
        Where runs go that are made for registering alone.
    artifacts
        Artifact location of a new experiment; by default beside a SQLite file, or the server's choice.
    cache
        Where artifacts of a server are kept; checked at each use.
    gates, settings
        The project's.
    gate_inputs
        Returns what else decides a gate's answer, see `mlops_nb.registry.inputs`; nothing by default.
    actor
        Who acts; the user by default.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        tracking_uri: str,
        experiment: str = "mlops-nb",
        artifacts: str = "",
        cache: Path,
        gates: GateSettings | None = None,
        settings: RegistrySettings | None = None,
        gate_inputs: Callable[[AnyGate], bytes] = lambda _: b"",
        actor: str = "",
    ) -> None:
        self.ledger = ledger
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.artifacts = artifacts or default_artifacts(tracking_uri)
        self.cache = cache
        self.gates = gates or GateSettings()
        self.settings = settings or RegistrySettings()
        self.actor = actor or user_name()
        self._gate_inputs = gate_inputs
        self._client: Any = None

    @property
    def client(self) -> Any:
        """MLflow's client, made when it is first asked for: the import takes seconds."""
        if self._client is None:
            self._client = mlflow_client(self.tracking_uri)
        return self._client

    def errors(self) -> contextlib.AbstractContextManager[None]:
        """Translate what MLflow raises."""
        return mlflow_errors(self.tracking_uri)

    def close(self) -> None:
        """Give back the database connections."""
        self.ledger.close()

    def gate_digest(self, gate: AnyGate) -> str:
        """Return what a gate's answer is bound to: its settings, and what else decides it."""
        return gate_digest(gate, self._gate_inputs(gate))

    def new_run(self, name: str) -> str:
        """Make and end an MLflow run to hold an artifact that no run made; return its id."""
        experiment = experiment_id(self.client, self.experiment, artifacts=self.artifacts)
        run = self.client.create_run(experiment, run_name=name)
        self.client.set_terminated(run.info.run_id)
        return str(run.info.run_id)

    def fetch(self, version: ModelVersion) -> Path:
        """Return a version's artifact as a local folder, every file checked.

        Raises
        ------
        ArtifactError
            It is missing, or is not what was registered.
        TrackingError
            The server cannot be reached.
        """
        path = local_path(version.source)
        if path is None:
            path = self.cache / version.digest
            if not (path / "artifact.json").is_file():
                self._download(version, path)
        check_artifact(path, digest=version.digest)
        return path

    def _download(self, version: ModelVersion, place: Path) -> None:
        from mlflow.artifacts import download_artifacts

        _ = self.client
        self.cache.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".download-", dir=self.cache))
        try:
            try:
                with self.errors():
                    found = download_artifacts(
                        artifact_uri=version.source,
                        dst_path=str(staging),
                        tracking_uri=self.tracking_uri,
                    )
            except TrackingError:
                if not self._is_lost(version):
                    raise
                found = str(staging)
            folder = Path(found)
            if not (folder / "artifact.json").is_file():
                raise ArtifactError(
                    "is missing from the artifact store", where=version.source, fix=_LOST
                )
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(place)
            try:
                folder.replace(place)
            except OSError:
                # Another process was first; its copy is checked like ours.
                if not (place / "artifact.json").is_file():
                    raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _is_lost(self, version: ModelVersion) -> bool:
        """Whether the server answers, and has no such artifact."""
        inside = version.source.rpartition("/artifacts/")[2]
        with self.errors():
            return not self.client.list_artifacts(version.mlflow_run_id, inside)


_LOST = "restore it, or delete the version"


def open_registry(project: Project, *, actor: str = "") -> Registry:
    """Return the registry of a project.

    Raises
    ------
    RegistryError
        The ledger cannot be opened.
    ConfigError
        The settings of gates or registry are wrong.
    """
    return Registry(
        ledger=Ledger(project.ledger_url),
        tracking_uri=project.tracking_uri,
        experiment=project.settings.experiment or project.name,
        cache=project.state / "cache" / "models",
        gates=project.section("gates", GateSettings),
        gate_inputs=partial(gate_inputs, project),
        settings=project.section("registry", RegistrySettings),
        actor=actor,
    )


def local_path(uri: str) -> Path | None:
    """Return the folder of a ``file:`` URI or a plain path; ``None`` for a server's."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if parts.scheme == "" else None


def check_name(model: str) -> None:
    """Refuse a model name that MLflow or a file system would.

    Raises
    ------
    RegistryError
        It is empty, too long or holds other than letters, digits, dots, dashes and underscores.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", model):
        raise RegistryError(
            f'"{model}" cannot be the name of a model',
            fix="use letters, digits, dots, dashes and underscores",
        )


def check_alias(alias: str) -> None:
    """Refuse an alias that MLflow would.

    Raises
    ------
    RegistryError
        It is reserved (``latest``, ``v3``) or holds other than letters, digits, dashes, underscores.
    """
    reserved = alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias)
    if reserved or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,99}", alias):
        raise RegistryError(
            f'"{alias}" cannot be an alias',
            fix='use a word such as "champion"; "latest" and "v1", "v2" … are reserved',
        )


def user_name() -> str:
    """Return who acts where nobody is named: ``MLOPS_NB_ACTOR``, else the user of the process."""
    given = os.environ.get("MLOPS_NB_ACTOR", "")
    if given:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry for this user id, as in some containers
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"
