"""Kubeflow Pipelines v2: the pipeline's source, and the form that its compiler makes of it.

The compiled form is written without ``kfp``, which needs an environment of its own; a test compiles
the source with ``kfp`` and compares.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nb.export import pods
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.naming import identifier
from mlops_nb.export.quoting import comment, dump_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Input, Job, Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["KubeflowExporter"]

KFP = "2.17.0"
"""Version of kfp that the compiled form is for."""
_FOLDER = "kubeflow"


class KubeflowExporter:
    """Writes ``kubeflow/pipeline.py`` and ``kubeflow/pipeline.yaml``."""

    title = "Kubeflow Pipelines"
    description = "The source of a KFP v2 pipeline, and its compiled form."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return source and compiled form."""
        work = plan_work(pipeline, settings)
        head = work.header("kubeflow")
        lines = [f"For kfp {KFP}."]
        if "@sha256:" not in pods.image(work):
            lines.append(
                'The image is not pinned, so Kubeflow\'s cache is off: set image = "name@sha256:...".'
            )
        if work.settings.schedule:
            cron = work.settings.schedule
            lines.append(f"Kubeflow keeps schedules itself: make a recurring run with {cron}.")
        head += comment("\n".join(lines))
        return {
            f"{_FOLDER}/pipeline.py": head + _source(work),
            f"{_FOLDER}/pipeline.yaml": head + dump_yaml(_compiled(work), *_platform(work)),
        }


def _function(job: Job) -> str:
    return "run_" + job.id.replace("-", "_")


def _argument(one: Input) -> str:
    # The functions of this file keep their names.
    taken = one.id.startswith("run_") or one.id in ("dsl", "kfp", "compiler", "kubernetes")
    return one.id + "_" if taken else identifier(one.id)


def _component(work: Work, job: Job) -> str:
    """Return the source of one component; kfp puts it into the compiled form as it stands."""
    above = [f"bundle_of_{name.replace('-', '_')}" for name in job.ancestors]
    parameters = [f"param_{_argument(one)}" for one in work.inputs]
    signature = [
        *(f"{name}: dsl.Input[dsl.Artifact]" for name in above),
        *(f"{name}: str" for name in parameters),
        "bundle: dsl.Output[dsl.Artifact]",
        "summary: dsl.Output[dsl.Markdown]",
    ]
    variables = [f"{one.env!r}: {name}" for one, name in zip(work.inputs, parameters, strict=True)]
    script = "\n".join(
        [
            "work=$(mktemp -d)",
            'cp -R "${MLOPS_NB_APP:-/app}/." "$work"',
            'cd "$work"',
            *([f'{work.unpack()} "$@"'] if above else []),
            f"{work.run(job)} || status=$?",
            work.pack(job),
            f'cp {job.bundle} "$BUNDLE"',
            f"{work.summary(job, 'summary.md')}",
            'cp summary.md "$SUMMARY"',
            'exit "${status:-0}"',
        ]
    )
    # Kubeflow puts values in for {{$...}} wherever it stands; apart, the braces are only shell.
    script = re.sub(r"\{(?=\{)", "{''", script)
    lines = [repr(line + "\n") for line in script.split("\n")]
    return "\n".join(
        [
            f"def {_function(job)}(",
            *(f"    {one}," for one in signature),
            "):",
            "    import os",
            "    import subprocess",
            "",
            f"    above = [{', '.join(f'{name}.path' for name in above)}]",
            f"    values = {{{', '.join(variables)}}}",
            "    files = {'BUNDLE': bundle.path, 'SUMMARY': summary.path}",
            "    script = (",
            *(f"        {line}" for line in lines),
            "    )",
            "    env = {**os.environ, **values, **files}",
            "    subprocess.run(['sh', '-ec', script, 'sh', *above], env=env, check=True)",
            "",
        ]
    )


def _source(work: Work) -> str:
    image = pods.image(work)
    arguments = ", ".join(f"{_argument(one)}: str = ''" for one in work.inputs)
    out = ["from kfp import compiler, dsl"]
    if work.settings.secrets:
        out.append("from kfp import kubernetes")
    out.append("")
    for job in work.jobs:
        out += ["", f"@dsl.component(base_image={image!r})"]
        out.append(_component(work, job))
    out += [
        "",
        f"@dsl.pipeline(name={work.slug!r}, description={work.title!r})",
        f"def pipeline({arguments}):",
        "    _tasks = {}",
    ]
    for job in work.jobs:
        given = [
            *(
                f"bundle_of_{name.replace('-', '_')}=_tasks[{name!r}].outputs['bundle']"
                for name in job.ancestors
            ),
            *(f"param_{_argument(one)}={_argument(one)}" for one in work.inputs),
        ]
        task = f"_tasks[{job.id!r}]"
        limits = pods.resources(job.cpu, job.memory_mb)
        out += [
            f"    {task} = {_function(job)}({', '.join(given)})",
            f"    {task}.set_display_name({work.stage_title(job)!r})",
            f"    {task}.set_caching_options({'@sha256:' in image})",
            f"    {task}.set_retry({work.settings.infrastructure_retries})",
            f"    {task}.set_cpu_request({limits['requests']['cpu']!r})",
            f"    {task}.set_memory_request({limits['requests']['memory']!r})",
            f"    {task}.set_memory_limit({limits['limits']['memory']!r})",
        ]
        out += [
            f"    {task}.set_env_variable({name!r}, {value!r})"
            for name, value in work.settings.env.items()
        ]
        if work.settings.secrets:
            keys = {name: name for name in work.settings.secrets}
            secret = pods.names(work)["secret"]
            out.append(
                f"    kubernetes.use_secret_as_env({task}, secret_name={secret!r}, secret_key_to_env={keys!r})"
            )
    out += [
        "",
        "",
        "if __name__ == '__main__':",
        "    compiler.Compiler().compile(pipeline, 'pipeline.yaml')",
        "",
    ]
    return "\n".join(out)


# --- the compiled form --------------------------------------------------------------------------

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


def _compiled(work: Work) -> dict[str, Any]:
    components, executors, tasks = {}, {}, {}
    for job in work.jobs:
        name = "run-" + job.id
        inputs: dict[str, Any] = {}
        if job.ancestors:
            inputs["artifacts"] = {
                f"bundle_of_{up.replace('-', '_')}": _type("Artifact") for up in job.ancestors
            }
        if work.inputs:
            inputs["parameters"] = {
                f"param_{_argument(one)}": {"parameterType": "STRING"} for one in work.inputs
            }
        component: dict[str, Any] = {"executorLabel": f"exec-{name}"}
        if inputs:
            component["inputDefinitions"] = inputs
        component["outputDefinitions"] = {
            "artifacts": {"bundle": _type("Artifact"), "summary": _type("Markdown")}
        }
        components[f"comp-{name}"] = component
        executors[f"exec-{name}"] = {"container": _container(work, job)}
        tasks[name] = _compiled_task(work, job)
    root: dict[str, Any] = {"dag": {"tasks": tasks}}
    if work.inputs:
        root["inputDefinitions"] = {
            "parameters": {
                _argument(one): {"defaultValue": "", "isOptional": True, "parameterType": "STRING"}
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
        "args": ["--executor_input", "{{$}}", "--function_to_execute", _function(job)],
        "command": [
            "sh",
            "-c",
            _INSTALL,
            "sh",
            "-ec",
            _LAUNCH,
            _IMPORTS + _component(work, job) + "\n",
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
    if job.ancestors:
        inputs["artifacts"] = {
            f"bundle_of_{up.replace('-', '_')}": {
                "taskOutputArtifact": {"outputArtifactKey": "bundle", "producerTask": f"run-{up}"}
            }
            for up in job.ancestors
        }
    if work.inputs:
        inputs["parameters"] = {
            f"param_{_argument(one)}": {"componentInputParameter": _argument(one)}
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
    if job.ancestors:
        task["dependentTasks"] = sorted(f"run-{up}" for up in job.ancestors)
    if inputs:
        task["inputs"] = inputs
    return task


def _platform(work: Work) -> list[dict[str, Any]]:
    """Return what only Kubernetes knows, as a second document: secrets by reference."""
    if not work.settings.secrets:
        return []
    secret = {
        "keyToEnv": [{"envVar": name, "secretKey": name} for name in work.settings.secrets],
        "secretName": pods.names(work)["secret"],
        "secretNameParameter": {"runtimeValue": {"constant": pods.names(work)["secret"]}},
        "optional": False,
    }
    executors = {f"exec-run-{job.id}": {"secretAsEnv": [secret]} for job in work.jobs}
    return [{"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}]
