"""Finds back ends by kind and name: the built-in ones, and those of installed packages.

A package adds one by an entry point in the group ``mlops_nb.<kind>``, for example
``[project.entry-points."mlops_nb.tracker"]`` with ``mine = "my_package:MyTracker"``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from mlops_nb.errors import PluginError, nearest

__all__ = ["BUILT_IN", "find", "names"]

BUILT_IN: dict[str, dict[str, str]] = {
    "executor": {
        "local": "mlops_nb.execution.executors.local:LocalExecutor",
        "dask": "mlops_nb.execution.executors.dask:DaskExecutor",
    },
    "tracker": {"mlflow": "mlops_nb.tracking.mlflow:MlflowTracker"},
    "exporter": {
        "airflow": "mlops_nb.export.airflow:AirflowExporter",
        "argo": "mlops_nb.export.argo:ArgoExporter",
        "conda": "mlops_nb.export.conda:CondaExporter",
        "dask": "mlops_nb.export.dask:DaskExporter",
        "docker": "mlops_nb.export.docker:DockerExporter",
        "github": "mlops_nb.export.github:GithubExporter",
        "gitlab": "mlops_nb.export.gitlab:GitlabExporter",
        "jenkins": "mlops_nb.export.jenkins:JenkinsExporter",
        "kubeflow": "mlops_nb.export.kubeflow:KubeflowExporter",
        "kubernetes": "mlops_nb.export.kubernetes:KubernetesExporter",
    },
    "notifier": {
        "webhook": "mlops_nb.monitoring.notifiers:WebhookNotifier",
        "slack": "mlops_nb.monitoring.notifiers:SlackNotifier",
        "email": "mlops_nb.monitoring.notifiers:EmailNotifier",
        "command": "mlops_nb.monitoring.notifiers:CommandNotifier",
    },
}
"""The names shipped here, by kind, as ``module:attribute``; imported when asked for."""


def names(kind: str) -> tuple[str, ...]:
    """Return the names of every back end of a kind, sorted."""
    installed = {point.name for point in entry_points(group=f"mlops_nb.{kind}")}
    return tuple(sorted(installed | BUILT_IN.get(kind, {}).keys()))


def find(kind: str, name: str) -> Any:
    """Return the back end of that kind and name.

    Parameters
    ----------
    kind
        ``executor``, ``tracker``, ``exporter``, ``notifier`` ...
    name
        As it stands in the settings or on the command line.

    Raises
    ------
    PluginError
        There is none of that name, or its module cannot be imported.
    """
    target = BUILT_IN.get(kind, {}).get(name)
    if target is None:
        points = {point.name: point.value for point in entry_points(group=f"mlops_nb.{kind}")}
        target = points.get(name)
    if target is None:
        raise PluginError(f'no {kind} is called "{name}"', fix=nearest(name, names(kind)))
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise PluginError(
            f"cannot be imported: {error}",
            where=f'{kind} "{name}"',
            fix=f'install what it needs: pip install "mlops-nb[{name}]"',
        ) from error
