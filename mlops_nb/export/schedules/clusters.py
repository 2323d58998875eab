"""Schedules for clusters: a Kubernetes CronJob, an Argo CronWorkflow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.export import pods
from mlops_nb.export.argo import executor, retries, variables
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.kubernetes import cron_job, pipeline_pod
from mlops_nb.export.naming import title
from mlops_nb.export.quoting import comment, dump_yaml, shell_words
from mlops_nb.export.schedules.head import head
from mlops_nb.export.schedules.place import STORE, due_words, latest_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.export.jobs import Work
    from mlops_nb.export.schedules.place import Place
    from mlops_nb.model import Json, Pipeline, ScheduleEntry

__all__ = ["argo", "kubernetes"]


def kubernetes(
    entries: Sequence[ScheduleEntry], _: Place, pipeline: Pipeline, settings: Mapping[str, Json]
) -> dict[str, str]:
    """Return a CronJob for each schedule, beside those of ``mlops-nb export kubernetes``.

    State stays on the pipeline's volume, so the store outlives the pod and knows what is due.
    """
    work = plan_work(pipeline, settings)
    files = {}
    for entry in entries:
        pod = pipeline_pod(work, _line(due_words(entry)))
        body = cron_job(work, _name(work, entry), entry.fields.text, pod)
        # Claims keep an occurrence from running twice; a second pod may wait for its turn.
        body["spec"] |= {"timeZone": entry.fields.timezone}
        if work.settings.namespace:
            body["metadata"]["namespace"] = work.settings.namespace
        note = "Needs the volume and the parameters of: mlops-nb export kubernetes"
        files[f"kubernetes/schedule-{entry.short_id}.yaml"] = _head(
            "kubernetes", work, entry, note
        ) + dump_yaml(body)
    return files


def argo(
    entries: Sequence[ScheduleEntry], place: Place, pipeline: Pipeline, settings: Mapping[str, Json]
) -> dict[str, str]:
    """Return a CronWorkflow for each schedule, whose one step runs what is due.

    Its pod is fresh each time: the claims need a shared store.
    """
    work = plan_work(pipeline, settings)
    shared = msgspec.structs.replace(
        work.settings, secrets=tuple(dict.fromkeys((*work.settings.secrets, STORE)))
    )
    files = {}
    for entry in entries:
        meta: dict[str, Any] = {
            "name": _name(work, entry),
            "labels": {"app.kubernetes.io/name": work.slug},
        }
        if work.settings.namespace:
            meta["namespace"] = work.settings.namespace
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "CronWorkflow",
            "metadata": meta,
            "spec": {
                "schedules": [entry.fields.text],
                "timezone": entry.fields.timezone,
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": 600,
                "workflowSpec": _workflow(
                    work, _line(latest_words(entry, entry.fields, place)), shared.secrets
                ),
            },
        }
        note = (
            f"Needs a Secret {pods.names(work)['secret']} with the keys {', '.join(shared.secrets)}; "
            f"{STORE} is the URL of a PostgreSQL database in which occurrences are claimed."
        )
        if not work.settings.executor_account:
            note += "\nNeeds argo/executor.yaml of: mlops-nb export argo"
        files[f"argo/schedule-{entry.short_id}.yaml"] = _head(
            "argo", work, entry, note
        ) + dump_yaml(body)
    return files


def _workflow(work: Work, line: str, secrets: Sequence[str]) -> dict[str, Any]:
    line = re.sub(r"\{(?=\{)", "{''", line)
    script = pods.literal(f"cp -R /app/. {pods.WORK}/\ncd {pods.WORK}\n{line}")
    secret = pods.names(work)["secret"]
    known = {one["name"] for one in pods.environment(work)}
    references = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
        for name in secrets
        if name not in known
    ]
    return {
        "entrypoint": "run",
        "securityContext": pods.pod(),
        # As in the workflow of ``mlops-nb export argo``: the container itself gets no token.
        "automountServiceAccountToken": False,
        "executor": {"serviceAccountName": executor(work)},
        "podGC": {"strategy": "OnPodSuccess"},
        "ttlStrategy": {"secondsAfterCompletion": work.settings.keep_days * 86_400},
        "volumes": pods.volumes(work),
        "templates": [
            {
                "name": "run",
                "activeDeadlineSeconds": str(60 * sum(job.minutes for job in work.jobs)),
                "retryStrategy": retries(work),
                "container": {
                    "image": pods.image(work),
                    "command": ["sh", "-ec"],
                    "args": [script],
                    "env": [*variables(work), *references],
                    "resources": pods.largest(work),
                    "securityContext": pods.restricted(),
                    "volumeMounts": pods.mounts(work),
                },
            }
        ],
    }


def _name(work: Work, entry: ScheduleEntry) -> str:
    """Return an object's name: at most 52 characters, and none of ``mlops-nb export``."""
    return f"{work.slug[:29].rstrip('-')}-s-{entry.short_id}"


def _line(call: Sequence[str]) -> str:
    return shell_words(["python", "-P", "-m", "mlops_nb", *call])


def _head(target: str, work: Work, entry: ScheduleEntry, note: str) -> str:
    text = f"{title(entry.name)}: {entry.words}\n{note}"
    if entry.fields.within is not None:
        text += "\nFires more often than the schedule is due; there is nothing to do then."
    if not entry.in_project:
        text += (
            "\nPut the schedule into [tool.mlops-nb.schedules]: a fresh store takes it from there."
        )
    return head(target, work.pipeline.name) + comment(text)
