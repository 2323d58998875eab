"""Kubernetes: the pipeline as a Job and a CronJob, ready for kustomize.

Kubernetes knows no order of jobs, so one pod runs the whole pipeline; its state and products stay
on a volume, so that each run does only what is out of date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.export import pods
from mlops_nb.export.drift import plan_drift
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.quoting import comment, dump_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["FORGET", "KubernetesExporter", "cron_job", "pipeline_pod"]

_FOLDER = "kubernetes"
_LATE_SECONDS = 600
_CONTAINER = "pipeline"
_KILLED = [137, 143]
"""What a container ends with that was killed or told to stop: 128 and the signal."""
_KEPT_SECONDS = 86_400
FORGET = """\
(cd /app && find . -type f) | LC_ALL=C sort > /tmp/sources
if [ -s /tmp/sources ] && [ -f .mlops/sources ]; then
  LC_ALL=C comm -23 .mlops/sources /tmp/sources | while IFS= read -r gone; do rm -f "$gone"; done
fi
mkdir -p .mlops
cp /tmp/sources .mlops/sources"""
"""Removes from the volume what an earlier image held and this one does not: sources that are gone."""


class KubernetesExporter:
    """Writes ``kubernetes/``."""

    title = "Kubernetes"
    description = "A Job and CronJobs that keep their state on a volume, ready for kustomize."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return a kustomization and its resources."""
        work = plan_work(pipeline, settings)
        parts: dict[str, dict[str, Any]] = {
            "parameters.yaml": _parameters(work),
            "volume.yaml": _volume(work),
            "job.yaml": _job(work),
        }
        if work.settings.schedule:
            parts["cronjob.yaml"] = cron_job(
                work, work.slug, work.settings.schedule, pipeline_pod(work, work.run())
            )
        if drift := plan_drift(work):
            parts["drift.yaml"] = cron_job(
                work,
                f"{work.slug}-drift",
                work.settings.drift_schedule,
                pipeline_pod(work, drift.command),
            )
        files = {
            f"{_FOLDER}/{name}": work.header("kubernetes") + dump_yaml(part)
            for name, part in parts.items()
        }
        note = comment(
            "Apply with: kubectl apply -k kubernetes\n"
            "A Job cannot be changed; before applying again:"
            f" kubectl delete job {work.slug} --ignore-not-found"
        )
        if work.settings.secrets:
            note += comment(
                f"Needs a Secret {pods.names(work)['secret']} with the keys "
                f"{', '.join(work.settings.secrets)}."
            )
        if "@sha256:" not in pods.image(work):
            note += comment(
                'The image is not pinned: set image = "name@sha256:..." in the settings.'
            )
        kustomization: dict[str, Any] = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": list(parts),
        }
        if work.settings.namespace:
            kustomization["namespace"] = work.settings.namespace
        files[f"{_FOLDER}/kustomization.yaml"] = (
            work.header("kubernetes") + note + dump_yaml(kustomization)
        )
        return files


def _meta(work: Work, name: str) -> dict[str, Any]:
    return {"name": name, "labels": {"app.kubernetes.io/name": work.slug}}


def _parameters(work: Work) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **_meta(work, pods.names(work)["config"]),
            "annotations": {
                f"mlops-nb/{one.id[:60].rstrip('_')}": one.description for one in work.inputs
            },
        },
        # Empty: the pipeline's own value.
        "data": {one.env: "" for one in work.inputs},
    }


def _volume(work: Work) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _meta(work, pods.names(work)["volume"]),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": work.settings.volume_size}},
        },
    }


def _job(work: Work) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _meta(work, work.slug),
        "spec": _job_spec(work, pipeline_pod(work, work.run())),
    }


def _job_spec(work: Work, pod: dict[str, Any]) -> dict[str, Any]:
    return {
        # For lost pods; a task that fails has retries of its own.
        "backoffLimit": work.settings.infrastructure_retries,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": _CONTAINER,
                        "operator": "NotIn",
                        "values": _KILLED,
                    },
                },
            ]
        },
        "activeDeadlineSeconds": 60 * sum(job.minutes for job in work.jobs),
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
        "template": pod,
    }


def cron_job(work: Work, name: str, schedule: str, pod: dict[str, Any]) -> dict[str, Any]:
    """Return a CronJob that runs a pod."""
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _meta(work, name),
        "spec": {
            "schedule": schedule,
            "timeZone": work.settings.timezone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATE_SECONDS,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": _job_spec(work, pod)},
        },
    }


def pipeline_pod(work: Work, command: str) -> dict[str, Any]:
    """Return a pod that runs a command on the pipeline\'s volume."""
    names = pods.names(work)
    script = f"cp -R /app/. {pods.WORK}/\ncd {pods.WORK}\n{FORGET}\n{command}"
    container: dict[str, Any] = {
        "name": _CONTAINER,
        "image": pods.image(work),
        "command": ["sh", "-ec"],
        "args": [pods.literal(script)],
        "env": pods.environment(work),
        "envFrom": [{"configMapRef": {"name": names["config"]}}],
        "resources": pods.largest(work),
        "securityContext": pods.restricted(),
        "volumeMounts": [
            {"name": "state", "mountPath": pods.WORK},
            {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }
    return {
        "metadata": {"labels": {"app.kubernetes.io/name": work.slug}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pods.pod(),
            "containers": [container],
            "volumes": [
                {"name": "state", "persistentVolumeClaim": {"claimName": names["volume"]}},
                pods.temporary(),
            ],
        },
    }
