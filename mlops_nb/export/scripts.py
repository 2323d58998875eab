"""Python that exported scripts share: one job in a folder of its own, without a shell.

What is written into a script stands here as text; everything with a name in it is a literal made by
``repr``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_nb.export.jobs import Work

__all__ = ["RUN_JOB", "jobs_literal"]

RUN_JOB = '''
def run_job(job, project, parameters, bundles, variables):
    """Run one job in a copy of the project; return its exit code, bundle and reports.

    ``bundles`` holds what earlier jobs have packed, as (file name, content) pairs: what this job
    made the last time first, then those of the jobs above it.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder, "work")
        skip = shutil.ignore_patterns(".mlops", ".git", ".venv", "__pycache__")
        shutil.copytree(project, work, ignore=skip, symlinks=True)
        carry = [sys.executable, "-P", "-m", "mlops_nb.export.carry"]
        env = {**os.environ, **variables}

        def call(words):
            done = subprocess.run(
                words, cwd=work, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            print(done.stdout, flush=True)
            return done.returncode

        for number, (name, content) in enumerate(bundles):
            file = pathlib.Path(folder, f"{number}-{name}")
            file.write_bytes(content)
            if call([*carry, "unpack", str(file)]):
                raise RuntimeError(f"{name} cannot be unpacked")
        given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
        code = call([sys.executable, "-P", "-m", "mlops_nb", "run", *given, "--", *job["tasks"]])
        packed = pathlib.Path(folder, "bundle.tar.gz")
        if call([*carry, "pack", "--to", str(packed), "--", *job["tasks"]]):
            raise RuntimeError(f"what {job['id']} has made cannot be packed")
        reports = io.BytesIO()
        with tarfile.open(fileobj=reports, mode="w:gz") as archive:
            # Executed notebooks and reports, also of a failure.
            if (work / ".mlops" / "runs").is_dir():
                archive.add(work / ".mlops" / "runs", "runs")
        return code, packed.read_bytes(), reports.getvalue()
'''


def jobs_literal(work: Work) -> str:
    """Return the jobs as a Python literal, one line each."""
    lines = [
        "    "
        + repr(
            {
                "id": job.id,
                "title": work.stage_title(job),
                "tasks": list(job.tasks),
                "needs": list(job.needs),
                "above": list(job.ancestors),
                "minutes": job.minutes,
            }
        )
        + ",\n"
        for job in work.jobs
    ]
    return f"JOBS = [\n{''.join(lines)}]\n"
