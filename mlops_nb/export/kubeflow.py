"""Kubeflow Pipelines v2: the pipeline's source, and the form that its compiler makes of it.

The compiled form is written without ``kfp``, which needs an environment of its own; a test compiles
the source with ``kfp`` and compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.export import pods
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.kfp_compiled import compiled, platform
from mlops_nb.export.kfp_parts import (
    KFP,
    argument,
    bundles,
    component,
    default,
    function,
    type_of,
)
from mlops_nb.export.quoting import comment, dump_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["KubeflowExporter"]

_FOLDER = "kubeflow"


class KubeflowExporter:
    """Writes ``kubeflow/pipeline.py`` and ``kubeflow/pipeline.yaml``."""

    title = "Kubeflow Pipelines"
    description = "The source of a KFP v2 pipeline, and its compiled form."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return source and compiled form."""
        work = plan_work(pipeline, settings, pass_on=True)
        head = work.header("kubeflow")
        lines = [f"For kfp {KFP}."]
        if "@sha256:" not in pods.image(work):
            lines.append(
                'The image is not pinned, so Kubeflow\'s cache is off: set image = "name@sha256:...".'
            )
        if not work.settings.cache:
            lines.append(
                "A new image makes everything anew; where only what changed is to be made set\n"
                'cache = "s3://bucket/folder" (credentials among the secrets) or cache-volume = "claim".'
            )
        if work.settings.schedule:
            cron = work.settings.schedule
            lines.append(f"Kubeflow keeps schedules itself: make a recurring run with {cron}.")
        head += comment("\n".join(lines))
        return {
            f"{_FOLDER}/pipeline.py": head + _source(work),
            f"{_FOLDER}/pipeline.yaml": head + dump_yaml(compiled(work), *platform(work)),
        }


def _source(work: Work) -> str:
    image = pods.image(work)
    arguments = ", ".join(
        f"{argument(one)}: {type_of(one)} = {default(one)!r}" for one in work.inputs
    )
    out = ["from kfp import compiler, dsl"]
    if work.settings.secrets or work.settings.cache_volume:
        out.append("from kfp import kubernetes")
    out.append("")
    for job in work.jobs:
        out += ["", f"@dsl.component(base_image={image!r})"]
        out.append(component(work, job))
    out += [
        "",
        f"@dsl.pipeline(name={work.slug!r}, description={work.title!r})",
        f"def pipeline({arguments}):",
        "    _tasks = {}",
    ]
    for job in work.jobs:
        given = [
            *(
                f"{name}=_tasks[{up!r}].outputs[{output!r}]"
                for name, (up, output) in bundles(job).items()
            ),
            *(f"param_{argument(one)}={argument(one)}" for one in work.inputs),
        ]
        task = f"_tasks[{job.id!r}]"
        limits = pods.resources(job.cpu, job.memory_mb)
        out += [
            f"    {task} = {function(job)}({', '.join(given)})",
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
        if claim := work.settings.cache_volume:
            out.append(
                f"    kubernetes.mount_pvc({task}, pvc_name={claim!r}, mount_path={work.settings.cache!r})"
            )
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
