"""Argo Workflows: a Workflow and a CronWorkflow with one container per group of tasks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nb.export import pods
from mlops_nb.export.jobs import ABOVE, plan_work
from mlops_nb.export.quoting import comment, dump_yaml
from mlops_nb.export.settings import CACHE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Job, Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["ArgoExporter", "executor", "retries", "variables"]

_FOLDER = "argo"
_LATE_SECONDS = 600
_CACHE = "cache"
"""The workflow's parameter with the product cache; no parameter of a pipeline is called so."""


class ArgoExporter:
    """Writes ``argo/``."""

    title = "Argo Workflows"
    description = "A Workflow and a CronWorkflow whose pods hand their products on as artifacts."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the Workflow, and the CronWorkflow where a schedule is set."""
        work = plan_work(pipeline, settings, pass_on=True)
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
    if not work.settings.cache:
        lines.append(
            "Each run makes everything anew. For runs that do only what changed set\n"
            'cache = "s3://bucket/folder" (credentials among the secrets) or cache-volume = "claim"\n'
            f"in the settings, or submit with: -p {_CACHE}=s3://bucket/folder"
        )
    if "@sha256:" not in pods.image(work):
        lines.append('The image is not pinned: set image = "name@sha256:..." in the settings.')
    return comment("\n".join(lines))


def _script(text: str) -> str:
    """Return shell in which Argo finds no template: a pair of braces stands only inside quotes."""
    return pods.literal(re.sub(r"\{(?=\{)", "{''", text))


def variables(work: Work) -> list[dict[str, Any]]:
    """Return the variables of a container in which Argo finds no template but its own."""
    own = work.settings.env
    return [
        {**one, "value": pods.argo_text(one["value"])} if one["name"] in own else one
        for one in pods.environment(work)
    ]


def _spec(work: Work, account: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "entrypoint": "pipeline",
        "securityContext": pods.pod(),
        # A job's container gets no token; only Argo's own beside it may report.
        "automountServiceAccountToken": False,
        "executor": {"serviceAccountName": account},
        "podGC": {"strategy": "OnPodSuccess"},
        "ttlStrategy": {"secondsAfterCompletion": work.settings.keep_days * 86_400},
        "volumes": pods.volumes(work),
        "templates": [
            {"name": "pipeline", "dag": {"tasks": [_task(work, job) for job in work.jobs]}},
            *(_template(work, job) for job in work.jobs),
        ],
    }
    cache = {
        "name": _CACHE,
        "value": pods.argo_text(work.settings.cache),
        "description": "Product cache that runs share: a folder or URL; empty for none",
    }
    given = [{"name": one.id, "value": "", "description": one.description} for one in work.inputs]
    return spec | {"arguments": {"parameters": [*given, cache]}}


def _task(work: Work, job: Job) -> dict[str, Any]:
    task: dict[str, Any] = {"name": job.id, "template": f"run-{job.id}"}
    if job.needs:
        task["dependencies"] = list(job.needs)
        task["arguments"] = {
            "artifacts": [
                *(_handed(name, name, "bundle") for name in job.given),
                *(_handed(f"above_{name}", name, "passed") for name in job.passed),
            ]
        }
    return task


def _handed(name: str, job: str, output: str) -> dict[str, str]:
    return {"name": name, "from": f"{{{{tasks.{job}.outputs.artifacts.{output}}}}}"}


def _template(work: Work, job: Job) -> dict[str, Any]:
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
    env = [one for one in variables(work) if one["name"] != CACHE]
    given = {one.env: one.id for one in work.inputs} | {CACHE: _CACHE}
    env += [
        {"name": name, "value": f"{{{{workflow.parameters.{one}}}}}"} for name, one in given.items()
    ]
    template: dict[str, Any] = {"name": f"run-{job.id}"}
    if job.ancestors:
        template["inputs"] = {
            "artifacts": [
                {"name": name, "path": f"{pods.WORK}/{ABOVE}/{name}.tar.gz"}
                for name in (*job.given, *(f"above_{one}" for one in job.passed))
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
            "env": env,
            "resources": pods.resources(job.cpu, job.memory_mb),
            "securityContext": pods.restricted(),
            "volumeMounts": pods.mounts(work),
        },
        "outputs": {
            "artifacts": [
                _packed("bundle", job.bundle),
                *([_packed("passed", job.passed_bundle)] if job.passes else []),
                {"name": "reports", "path": f"{pods.WORK}/.mlops/runs", "optional": True},
            ]
        },
    }


def _packed(name: str, file: str) -> dict[str, Any]:
    return {"name": name, "path": f"{pods.WORK}/{file}", "archive": {"none": {}}}
