"""The form that Kubeflow's compiler makes of a pipeline, written without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.export import pods
from mlops_nb.export.kfp_parts import (
    KFP,
    argument,
    bundles,
    component,
    default,
    function,
    type_of,
)

if TYPE_CHECKING:
    from mlops_nb.export.jobs import Job, Work

__all__ = ["compiled", "platform"]

_TYPES = {
    "bool": "BOOLEAN",
    "float": "NUMBER_DOUBLE",
    "int": "NUMBER_INTEGER",
    "str": "STRING",
}
_INSTALL = f"""
if ! [ -x "$(command -v pip)" ]; then
    python3 -m ensurepip || python3 -m ensurepip --user || apt-get install python3-pip
fi

PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --no-warn-script-location \
'kfp=={KFP}' '--no-deps' 'typing-extensions>=3.7.4,<5; python_version<"3.9"' && "$0" "$@"
"""
_WIDE = " " * 25
_LAUNCH = (
    "program_path=$(mktemp -d)\n\n"
    'printf "%s" "$0" > "$program_path/ephemeral_component.py"\n'
    f"_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main{_WIDE}--component_module_path"
    f'{_WIDE}"$program_path/ephemeral_component.py"{_WIDE}"$@"\n'
)
_IMPORTS = "\nimport kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\n"


def _type(name: str) -> dict[str, Any]:
    return {"artifactType": {"schemaTitle": f"system.{name}", "schemaVersion": "0.0.1"}}


def compiled(work: Work) -> dict[str, Any]:
    """Return the pipeline's intermediate representation."""
    components, executors, tasks = {}, {}, {}
    for job in work.jobs:
        name = "run-" + job.id
        inputs: dict[str, Any] = {}
        if given := bundles(job):
            inputs["artifacts"] = {name: _type("Artifact") for name in given}
        if work.inputs:
            inputs["parameters"] = {
                f"param_{argument(one)}": {"parameterType": _TYPES[type_of(one)]}
                for one in work.inputs
            }
        component: dict[str, Any] = {"executorLabel": f"exec-{name}"}
        if inputs:
            component["inputDefinitions"] = inputs
        component["outputDefinitions"] = {
            "artifacts": {
                "bundle": _type("Artifact"),
                **({"passed": _type("Artifact")} if job.passes else {}),
                "metrics": _type("Metrics"),
                "summary": _type("Markdown"),
            }
        }
        components[f"comp-{name}"] = component
        executors[f"exec-{name}"] = {"container": _container(work, job)}
        tasks[name] = _compiled_task(work, job)
    root: dict[str, Any] = {"dag": {"tasks": tasks}}
    if work.inputs:
        root["inputDefinitions"] = {
            "parameters": {
                argument(one): {
                    "defaultValue": default(one),
                    "isOptional": True,
                    "parameterType": _TYPES[type_of(one)],
                }
                for one in work.inputs
            }
        }
    return {
        "components": components,
        "deploymentSpec": {"executors": executors},
        "pipelineInfo": {"description": work.title, "name": work.slug},
        "root": root,
        "schemaVersion": "2.1.0",
        "sdkVersion": f"kfp-{KFP}",
    }


def _container(work: Work, job: Job) -> dict[str, Any]:
    limits = pods.resources(job.cpu, job.memory_mb)
    cpu, memory = limits["requests"]["cpu"], limits["limits"]["memory"]
    gigabytes = int(memory.removesuffix("Mi")) * 2**20 / 10**9
    container: dict[str, Any] = {
        "args": ["--executor_input", "{{$}}", "--function_to_execute", function(job)],
        "command": [
            "sh",
            "-c",
            _INSTALL,
            "sh",
            "-ec",
            _LAUNCH,
            _IMPORTS + component(work, job) + "\n",
        ],
        "image": pods.image(work),
        "resources": {
            "cpuRequest": int(cpu.removesuffix("m")) / 1000,
            "memoryLimit": gigabytes,
            "memoryRequest": gigabytes,
            "resourceCpuRequest": cpu,
            "resourceMemoryLimit": memory,
            "resourceMemoryRequest": memory,
        },
    }
    if work.settings.env:
        container["env"] = [
            {"name": name, "value": value} for name, value in work.settings.env.items()
        ]
    return container


def _compiled_task(work: Work, job: Job) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    given = bundles(job)
    if given:
        inputs["artifacts"] = {
            name: {"taskOutputArtifact": {"outputArtifactKey": output, "producerTask": f"run-{up}"}}
            for name, (up, output) in given.items()
        }
    if work.inputs:
        inputs["parameters"] = {
            f"param_{argument(one)}": {"componentInputParameter": argument(one)}
            for one in work.inputs
        }
    task: dict[str, Any] = {
        "cachingOptions": {"enableCache": True} if "@sha256:" in pods.image(work) else {},
        "componentRef": {"name": f"comp-run-{job.id}"},
        "retryPolicy": {
            "backoffDuration": "0s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "3600s",
            "maxRetryCount": work.settings.infrastructure_retries,
        },
        "taskInfo": {"name": work.stage_title(job)},
    }
    if given:
        task["dependentTasks"] = sorted({f"run-{up}" for up, _ in given.values()})
    if inputs:
        task["inputs"] = inputs
    return task


def platform(work: Work) -> list[dict[str, Any]]:
    """Return what only Kubernetes knows, as a second document: a claim, and secrets by reference."""
    settings = work.settings
    each: dict[str, Any] = {}
    if settings.cache_volume:
        claim = {
            "constant": settings.cache_volume,
            "mountPath": settings.cache,
            "pvcNameParameter": {"runtimeValue": {"constant": settings.cache_volume}},
        }
        each["pvcMount"] = [claim]
    if settings.secrets:
        name = pods.names(work)["secret"]
        secret = {
            "keyToEnv": [{"envVar": one, "secretKey": one} for one in settings.secrets],
            "secretName": name,
            "secretNameParameter": {"runtimeValue": {"constant": name}},
            "optional": False,
        }
        each["secretAsEnv"] = [secret]
    executors = {f"exec-run-{job.id}": each for job in work.jobs}
    return (
        [{"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}]
        if each
        else []
    )
