"""Jenkins: a declarative ``Jenkinsfile`` whose parallel stages are the levels of the DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.export.jobs import plan_work
from mlops_nb.export.quoting import comment, groovy, groovy_block
from mlops_nb.export.settings import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_nb.export.jobs import Job, Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["JenkinsExporter"]

_REPORTS = ".mlops/reports"
_BUILDS_KEPT = 30


class JenkinsExporter:
    """Writes ``Jenkinsfile``."""

    title = "Jenkins"
    description = "A declarative Jenkinsfile whose parallel stages are the levels of the DAG."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the one file."""
        work = plan_work(pipeline, settings)
        return {"Jenkinsfile": _header(work) + "\n".join(_pipeline(work)) + "\n"}


def _header(work: Work) -> str:
    lines = ["Needs the plugins Pipeline, JUnit and Timestamper."]
    if not work.settings.cache:
        lines.append(
            "A build does only what changed where its agent keeps the workspace; for agents that do not"
            '\nset cache = "s3://bucket/folder" or a folder that they share in the settings.'
        )
    if work.settings.secrets:
        names = ", ".join(work.settings.secrets)
        lines.append(f"Needs credentials of the kind secret text called {names}.")
    return work.header("jenkins", mark="//") + comment("\n".join(lines), "//")


def _pipeline(work: Work) -> Iterable[str]:
    settings = work.settings
    yield "pipeline {"
    # Each stage takes an agent of its own, so that the stages of a level run side by side.
    yield "    agent none"
    yield "    options {"
    yield "        disableConcurrentBuilds()"
    yield f"        buildDiscarder(logRotator(numToKeepStr: '{_BUILDS_KEPT}'))"
    yield "        timestamps()"
    yield "    }"
    if settings.schedule:
        zone = "" if settings.timezone == "UTC" else settings.timezone
        spec = f"TZ={zone or 'UTC'}\n{settings.schedule}"
        yield "    triggers {"
        yield f"        cron({groovy(spec)})"
        yield "    }"
    yield "    parameters {"
    for one in work.inputs:
        yield (
            f"        string(name: {groovy(one.env)}, defaultValue: '',"
            f" description: {groovy(one.description)})"
        )
    yield (
        f"        string(name: '{CACHE}', defaultValue: {groovy(settings.cache)},"
        " description: 'Product cache that builds share: a folder or URL; empty for the workspace')"
    )
    yield "    }"
    env = {name: value for name, value in settings.env.items() if name != CACHE}
    if env or settings.secrets:
        yield "    environment {"
        for name, value in env.items():
            yield f"        {name} = {groovy(value)}"
        for name in settings.secrets:
            yield f"        {name} = credentials({groovy(name)})"
        yield "    }"
    yield "    stages {"
    depths = _depths(work)
    levels: dict[int, list[Job]] = {}
    for job in work.jobs:
        levels.setdefault(depths[job.id], []).append(job)
    for number, jobs in sorted(levels.items()):
        if len(jobs) == 1:
            yield from _stage(work, jobs[0], " " * 8)
            continue
        yield f"        stage('Level {number + 1}') {{"
        yield "            parallel {"
        for job in jobs:
            yield from _stage(work, job, " " * 16)
        yield "            }"
        yield "        }"
    yield "    }"
    yield "}"


def _depths(work: Work) -> dict[str, int]:
    """Return for each job how many stand one above the other over it."""
    depth: dict[str, int] = {}
    for job in work.jobs:
        depth[job.id] = 1 + max((depth[name] for name in job.needs), default=-1)
    return depth


def _stage(work: Work, job: Job, indent: str) -> Iterable[str]:
    settings = work.settings
    reports = f"{_REPORTS}/{job.id}"
    install = settings.install or (
        f"python{settings.python} -m venv .venv",
        *settings.install_commands,
    )
    # What an earlier build left in the workspace is kept, its reports are not.
    prepare = ["rm -rf .mlops/runs .mlops/reports", *install]
    script = [
        *([work.unpack(*work.bundles(job.ancestors))] if job.ancestors else []),
        f"{work.run(job)} || status=$?",
        work.pack(job),
        work.summary(job, f"{reports}/summary.md", junit=f"{reports}/junit.xml"),
        'exit "${status:-0}"',
    ]
    agent = f"{{ label {groovy(settings.agent)} }}" if settings.agent else "any"
    yield f"{indent}stage({groovy(work.stage_title(job))}) {{"
    yield f"{indent}    agent {agent}"
    if settings.infrastructure_retries:
        # For a lost agent; a task that fails has retries of its own.
        count = settings.infrastructure_retries + 1
        yield f"{indent}    options {{"
        yield f"{indent}        retry(count: {count}, conditions: [agent(), nonresumable()])"
        yield f"{indent}    }}"
    yield f"{indent}    environment {{"
    yield f'{indent}        PATH = "${{env.WORKSPACE}}/.venv/bin:${{env.PATH}}"'
    yield f"{indent}    }}"
    yield f"{indent}    steps {{"
    # Here and not among the options, where waiting for an agent would count.
    yield f"{indent}        timeout(time: {job.minutes}, unit: 'MINUTES') {{"
    # The network may fail.
    yield f"{indent}            retry({settings.infrastructure_retries + 1}) {{"
    yield f"{indent}                sh {groovy_block(chr(10).join(prepare))}"
    yield f"{indent}            }}"
    for name in job.ancestors:
        yield f"{indent}            unstash '{name}'"
    yield f"{indent}            sh {groovy_block(chr(10).join(script))}"
    yield f"{indent}        }}"
    yield f"{indent}        stash name: '{job.id}', includes: '{job.bundle}', useDefaultExcludes: false"
    yield f"{indent}    }}"
    yield f"{indent}    post {{"
    yield f"{indent}        always {{"
    yield (
        f"{indent}            archiveArtifacts artifacts: '.mlops/runs/**,{reports}/**',"
        " allowEmptyArchive: true, defaultExcludes: false"
    )
    yield f"{indent}            junit testResults: '{reports}/junit.xml', allowEmptyResults: true"
    yield f"{indent}        }}"
    yield f"{indent}    }}"
    yield f"{indent}}}"
