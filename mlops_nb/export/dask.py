"""Dask: a script that runs the pipeline's jobs on a cluster, whose workers need no shared disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.export.jobs import plan_work
from mlops_nb.export.quoting import comment
from mlops_nb.export.scripts import RUN_JOB, jobs_literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["DaskExporter"]


class DaskExporter:
    """Writes ``dask/run.py``."""

    title = "Dask"
    description = "A script that runs the jobs on a cluster whose workers share nothing."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the script."""
        work = plan_work(pipeline, settings)
        return {"dask/run.py": _source(work)}


def _source(work: Work) -> str:
    settings = work.settings
    notes = [
        "Run it in the project's folder: python dask/run.py --scheduler tcp://host:8786 -p name=value",
        "Workers need mlops-nb and the project's packages; the project and all products travel as",
        "bytes. What is finished is unpacked here, so that the next run does only what changed; the",
        "workers' runs, with executed notebooks and reports, are listed by: mlops-nb runs list",
    ]
    if settings.secrets:
        notes.append(f"Workers need these environment variables: {', '.join(settings.secrets)}.")
    return f"""{work.header("dask")}{comment(chr(10).join(notes))}
import argparse
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

{jobs_literal(work)}
VARIABLES = {settings.env!r}
RETRIES = {settings.infrastructure_retries}

{RUN_JOB}

def remote(job, project, parameters, earlier, *above):
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(project)) as archive:
            archive.extractall(folder, filter="data")
        done = [bundle for _, bundle, _ in above]
        if any(code != 0 for code, _, _ in above):
            return None, b"", b""
        files = ([("earlier.tar.gz", earlier)] if earlier else []) + [
            (name + ".tar.gz", bundle) for name, bundle in zip(job["above"], done)
        ]
        return run_job(job, folder, parameters, files, VARIABLES)


def packed_project():
    skip = {{".mlops", ".git", ".venv", "__pycache__"}}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(".", filter=lambda entry: None if pathlib.PurePath(entry.name).name in skip else entry)
    return out.getvalue()


def main():
    from dask.distributed import Client, as_completed

    parser = argparse.ArgumentParser(description={work.title!r})
    parser.add_argument("--scheduler", help="address; a cluster on this machine by default")
    parser.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    parameters = dict(one.split("=", 1) for one in given.parameters)
    store = pathlib.Path(".mlops", "carry")
    store.mkdir(parents=True, exist_ok=True)
    failed = []
    with Client(given.scheduler) as client:
        project = client.scatter(packed_project(), broadcast=True)
        futures = {{}}
        for job in JOBS:
            file = store / (job["id"] + ".tar.gz")
            earlier = file.read_bytes() if file.exists() else b""
            above = [futures[name] for name in job["above"]]
            futures[job["id"]] = client.submit(
                remote, job, project, parameters, earlier, *above,
                pure=False, retries=RETRIES, key="mlops-nb-" + job["id"] + "-" + os.urandom(4).hex(),
            )
        jobs = {{future.key: job for job, future in zip(JOBS, futures.values())}}
        for future in as_completed(futures.values()):
            job = jobs[future.key]
            try:
                code, bundle, reports = future.result()
            except Exception as error:  # a lost worker, or a bundle that cannot be read
                code, bundle, reports = 1, b"", b""
                print(error, file=sys.stderr)
            if bundle:
                file = store / (job["id"] + ".tar.gz")
                draft = file.with_suffix(".part")
                draft.write_bytes(bundle)
                os.replace(draft, file)
                carry = [sys.executable, "-P", "-m", "mlops_nb.export.carry", "unpack", str(file)]
                subprocess.run(carry, check=True)
            if reports:
                with tarfile.open(fileobj=io.BytesIO(reports)) as archive:
                    archive.extractall(".mlops", filter="data")
            if code != 0:
                failed.append(job["title"])
            print("blocked" if code is None else "failed" if code else "done", job["title"], flush=True)
    if failed:
        sys.exit(4)


if __name__ == "__main__":
    main()
"""
