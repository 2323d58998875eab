"""Airflow 3: a DAG file whose tasks hand their products on through a folder all workers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.export.jobs import plan_work
from mlops_nb.export.quoting import comment
from mlops_nb.export.scripts import RUN_JOB, jobs_literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["AirflowExporter"]


class AirflowExporter:
    """Writes ``airflow/<project>.py``."""

    title = "Apache Airflow"
    description = "A DAG file for Airflow 3."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the DAG file."""
        work = plan_work(pipeline, settings)
        return {f"airflow/{work.slug.replace('-', '_')}.py": _source(work)}


def _source(work: Work) -> str:
    settings = work.settings
    notes = [
        "Put it into Airflow's folder of DAGs and set two variables in the workers' environment:",
        "MLOPS_NB_AIRFLOW_PROJECT, the project's folder, and MLOPS_NB_AIRFLOW_STORE, a folder that",
        "all workers share: jobs hand their products to one another through it, and leave their",
        "executed notebooks and reports there.",
    ]
    if settings.secrets:
        notes.append(f"Needs Airflow Variables called {', '.join(settings.secrets)}.")
    params = "".join(
        f"    {one.id!r}: Param('', type='string', title={one.name!r}, description={one.description!r}),\n"
        for one in work.inputs
    )
    names = "".join(f"    {one.id!r}: {one.name!r},\n" for one in work.inputs)
    schedule = repr(settings.schedule) if settings.schedule else "None"
    return f"""{work.header("airflow")}{comment(chr(10).join(notes))}
import io
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param, Variable, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

{jobs_literal(work)}
# Parameters by the names that the form has; empty leaves the pipeline's own value.
NAMES = {{
{names}}}
PARAMS = {{
{params}}}
VARIABLES = {settings.env!r}
SECRETS = {list(settings.secrets)!r}

{RUN_JOB}

def put(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{{file.name}}.{{secrets.token_hex(4)}}")
    draft.write_bytes(content)
    os.replace(draft, file)


def run(number):
    # Only the job's number is an argument: Airflow renders templates in arguments.
    job = JOBS[number]
    context = get_current_context()
    store = pathlib.Path(os.environ["MLOPS_NB_AIRFLOW_STORE"], {work.slug!r})
    this_run = store / "runs" / "".join(c if c.isalnum() else "-" for c in context["run_id"])
    latest = store / "latest" / (job["id"] + ".tar.gz")
    files = [latest] if latest.exists() else []
    files += [this_run / (name + ".tar.gz") for name in job["above"]]
    given = {{NAMES[key]: value for key, value in context["params"].items() if key in NAMES and value}}
    variables = {{**VARIABLES, **{{name: Variable.get(name) for name in SECRETS}}}}
    bundles = [(file.name, file.read_bytes()) for file in files]
    project = os.environ["MLOPS_NB_AIRFLOW_PROJECT"]
    code, bundle, reports = run_job(job, project, given, bundles, variables)
    put(latest, bundle)
    put(store / "reports" / this_run.name / latest.name, reports)
    if code:
        # Not retried: its tasks have retries of their own.
        raise AirflowFailException(f"{{job['title']}} has failed: exit code {{code}}")
    put(this_run / latest.name, bundle)


with DAG(
    dag_id={work.slug!r},
    dag_display_name={work.title!r},
    schedule={schedule},
    start_date=pendulum.datetime(2026, 1, 1, tz={settings.timezone!r}),
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    # For lost workers.
    default_args={{"retries": {settings.infrastructure_retries}, "retry_delay": timedelta(seconds=30)}},
    tags=["mlops-nb"],
) as dag:
    tasks = {{}}
    for number, job in enumerate(JOBS):
        tasks[job["id"]] = task(
            task_id=job["id"],
            task_display_name=job["title"],
            execution_timeout=timedelta(minutes=job["minutes"]),
        )(run)(number)
        for name in job["needs"]:
            tasks[name] >> tasks[job["id"]]
"""
