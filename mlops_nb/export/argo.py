"""Argo Workflows: a Workflow and a CronWorkflow with one container per group of tasks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nb.export import pods
from mlops_nb.export.jobs import ABOVE, plan_work
from mlops_nb.export.quoting import comment, dump_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Job, Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["MOST_ABOVE", "ArgoExporter", "executor", "retries"]

_FOLDER = "argo"
_LATE_SECONDS = 600
MOST_ABOVE = 50
"""Jobs above one job: each is named with its artifact, and the cluster's store takes 1.5 MiB."""


class ArgoExporter:
    """Writes ``argo/``."""

    title = "Argo Workflows"
    description = "A Workflow and a CronWorkflow whose pods hand their products on as artifacts."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the Workflow, and the CronWorkflow where a schedule is set."""
        work = plan_work(pipeline, settings, most_ancestors=MOST_ABOVE)
        head = work.header("argo") + _notes(work)
        account = executor(work)
        meta = {"labels": {"app.kubernetes.io/name": work.slug}}
        if work.settings.namespace:
            meta["namespace"] = work.settings.namespace  # type: ignore[assignment]
        spec = _spec(work, account)
        workflow = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"generateName": f"{work.slug}-", **meta},
            "spec": spec,
        }
        files = {f"{_FOLDER}/workflow.yaml": head + dump_yaml(workflow)}
        if work.settings.schedule:
            cron = {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "CronWorkflow",
                "metadata": {"name": work.slug, **meta},
                "spec": {
                    "schedules": [work.settings.schedule],
                    "timezone": work.settings.timezone,
                    "concurrencyPolicy": "Forbid",
                    "startingDeadlineSeconds": _LATE_SECONDS,
                    "successfulJobsHistoryLimit": 3,
                    "failedJobsHistoryLimit": 3,
                    "workflowSpec": spec,
                },
            }
            files[f"{_FOLDER}/cron.yaml"] = head + dump_yaml(cron)
        if not work.settings.executor_account:
            note = comment("What Argo's own container beside each job may do: report its results.")
            parts = _account(account, meta)
            files[f"{_FOLDER}/executor.yaml"] = work.header("argo") + note + dump_yaml(*parts)
        return files


def executor(work: Work) -> str:
    """Return the account of Argo's executor."""
    return work.settings.executor_account or f"{work.slug}-executor"


def retries(work: Work) -> dict[str, Any]:
    """Return what is tried again: lost pods and nodes; a task that fails has retries of its own."""
    return {
        "limit": str(work.settings.infrastructure_retries),
        "retryPolicy": "OnError",
        "backoff": {"duration": "10s", "factor": "2"},
    }


def _account(name: str, meta: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the account of Argo's executor, with the least that Argo's manual asks for."""

    def part(version: str, kind: str, called: str = name, **rest: Any) -> dict[str, Any]:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": called, **meta}, **rest}

    group = "rbac.authorization.k8s.io"
    rule = {
        "apiGroups": ["argoproj.io"],
        "resources": ["workflowtaskresults"],
        "verbs": ["create", "patch"],
    }
    token = part("v1", "Secret", f"{name}.service-account-token")
    token["metadata"]["annotations"] = {"kubernetes.io/service-account.name": name}
    subject = {"kind": "ServiceAccount", "name": name}
    if "namespace" in meta:
        subject["namespace"] = meta["namespace"]
    return [
        part("v1", "ServiceAccount", automountServiceAccountToken=False),
        token | {"type": "kubernetes.io/service-account-token"},
        part(f"{group}/v1", "Role", rules=[rule]),
        part(
            f"{group}/v1",
            "RoleBinding",
            roleRef={"apiGroup": group, "kind": "Role", "name": name},
            subjects=[subject],
        ),
    ]


def _notes(work: Work) -> str:
    lines = ["Needs an artifact repository; jobs hand their products to one another through it."]
    if work.settings.secrets:
        lines.append(
            f"Needs a Secret {pods.names(work)['secret']} with the keys {', '.join(work.settings.secrets)}."
        )
    if "@sha256:" not in pods.image(work):
        lines.append('The image is not pinned: set image = "name@sha256:..." in the settings.')
    return comment("\n".join(lines))


def _script(text: str) -> str:
    """Return shell in which Argo finds no template: a pair of braces stands only inside quotes."""
    return pods.literal(re.sub(r"\{(?=\{)", "{''", text))


def _value(text: str) -> str:
    """Return a value in which Argo finds no template but one that gives a pair of braces."""
    return pods.literal(text.replace("{{", "{{='{' + '{'}}"))


def _spec(work: Work, account: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "entrypoint": "pipeline",
        "securityContext": pods.pod(),
        # A job's container gets no token; only Argo's own beside it may report.
        "automountServiceAccountToken": False,
        "executor": {"serviceAccountName": account},
        "podGC": {"strategy": "OnPodSuccess"},
        "ttlStrategy": {"secondsAfterCompletion": work.settings.keep_days * 86_400},
        "volumes": [{"name": "work", "emptyDir": {}}, pods.temporary()],
        "templates": [
            {"name": "pipeline", "dag": {"tasks": [_task(work, job) for job in work.jobs]}},
            *(_template(work, job) for job in work.jobs),
        ],
    }
    if work.inputs:
        spec["arguments"] = {
            "parameters": [
                {"name": one.id, "value": "", "description": one.description} for one in work.inputs
            ]
        }
    return spec


def _task(work: Work, job: Job) -> dict[str, Any]:
    task: dict[str, Any] = {"name": job.id, "template": f"run-{job.id}"}
    if job.needs:
        task["dependencies"] = list(job.needs)
        task["arguments"] = {
            "artifacts": [
                {"name": name, "from": f"{{{{tasks.{name}.outputs.artifacts.bundle}}}}"}
                for name in job.ancestors
            ]
        }
    return task


def _template(work: Work, job: Job) -> dict[str, Any]:
    settings = work.settings
    script = "\n".join(
        [
            f"cp -R /app/. {pods.WORK}/",
            f"cd {pods.WORK}",
            *([work.unpack(ABOVE)] if job.ancestors else []),
            f"{work.run(job)} || status=$?",
            work.pack(job),
            'exit "${status:-0}"',
        ]
    )
    variables = [
        {**one, "value": _value(settings.env[one["name"]])} if one["name"] in settings.env else one
        for one in pods.environment(work)
    ]
    variables += [
        {"name": one.env, "value": f"{{{{workflow.parameters.{one.id}}}}}"} for one in work.inputs
    ]
    template: dict[str, Any] = {"name": f"run-{job.id}"}
    if job.ancestors:
        template["inputs"] = {
            "artifacts": [
                {"name": name, "path": f"{pods.WORK}/{ABOVE}/{name}.tar.gz"}
                for name in job.ancestors
            ]
        }
    return template | {
        "metadata": {"annotations": {"workflows.argoproj.io/title": job.title}},
        "activeDeadlineSeconds": str(job.minutes * 60),
        "retryStrategy": retries(work),
        "container": {
            "image": pods.image(work),
            "command": ["sh", "-ec"],
            "args": [_script(script)],
            "env": variables,
            "resources": pods.resources(job.cpu, job.memory_mb),
            "securityContext": pods.restricted(),
            "volumeMounts": [
                {"name": "work", "mountPath": pods.WORK},
                {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            ],
        },
        "outputs": {
            "artifacts": [
                {
                    "name": "bundle",
                    "path": f"{pods.WORK}/{job.bundle}",
                    "archive": {"none": {}},
                },
                {"name": "reports", "path": f"{pods.WORK}/.mlops/runs", "optional": True},
            ]
        },
    }
