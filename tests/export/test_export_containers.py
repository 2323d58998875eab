from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from export_samples import (
    HOSTILE,
    hostile,
    load_yaml,
    record_commands,
    small,
    task,
    tasks_run,
    wide,
)

from mlops_nb import export
from mlops_nb.export.kubernetes import FORGET
from mlops_nb.model import Pipeline, Product
from tests.schemas_kit import official_schema

EXECUTOR = "argo/executor.yaml"
ARGO = "argo-workflows.schema.json"
SETTINGS = {
    "drift-command": "mlops-nb drift check old.csv new.csv",
    "schedule": "30 4 * * *",
    "timezone": "Europe/Berlin",
    "secrets": ["DB_PASSWORD"],
    "env": {"REGION": "a$(HOME)$$b", "T": "{{workflow.name}}"},
    "image": "registry.example.org/demo@sha256:" + "0" * 64,
}


def load(target: str, pipeline=None, **settings: object) -> dict[str, dict]:
    files = export.render(target, pipeline or small(), settings)
    return {
        path: load_yaml(text)
        for path, text in files.items()
        if path.endswith((".yaml", ".yml")) and path != EXECUTOR
    }


def kubernetes_value(text: str, variables: dict[str, str]) -> str:
    """Expand ``$(NAME)`` as the kubelet does: a doubled sign is a sign, the unknown stays."""
    out, at = "", 0
    while at < len(text):
        if text.startswith("$$", at):
            out, at = out + "$", at + 2
        elif text.startswith("$(", at) and (end := text.find(")", at)) > 0:
            name = text[at + 2 : end]
            out, at = out + variables.get(name, f"$({name})"), end + 1
        else:
            out, at = out + text[at], at + 1
    return out


def unknown_keys(value: object, schema: dict, path: str = "") -> list[str]:
    """Return the keys that the schema does not name; the schema itself takes any."""
    if "$ref" in schema:
        return unknown_keys(
            value, official_schema(ARGO)["definitions"][schema["$ref"].split("/")[-1]], path
        )
    if isinstance(value, dict) and "properties" in schema:
        found = [f"{path}.{key}" for key in value if key not in schema["properties"]]
        for key in value:
            found += unknown_keys(value[key], schema["properties"].get(key, {}), f"{path}.{key}")
        return found
    if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        return [
            one
            for key in value
            for one in unknown_keys(value[key], schema["additionalProperties"], f"{path}.{key}")
        ]
    if isinstance(value, list):
        return [
            one
            for number, item in enumerate(value)
            for one in unknown_keys(item, schema.get("items", {}), f"{path}[{number}]")
        ]
    return []


@pytest.mark.parametrize("pipeline", [small, hostile, lambda: wide(40)])
def test_argo_keeps_to_the_schema_and_knows_every_key(pipeline) -> None:
    # The cron form holds the same specification; of the large pipelines one form is enough.
    settings = SETTINGS if pipeline is small else SETTINGS | {"schedule": ""}
    found = load("argo", pipeline(), **settings)
    kinds = {"Workflow", "CronWorkflow"} if pipeline is small else {"Workflow"}
    assert {body["kind"] for body in found.values()} == kinds
    for body in found.values():
        kind = f"io.argoproj.workflow.v1alpha1.{body['kind']}"
        schema = {**official_schema(ARGO), "$ref": f"#/definitions/{kind}"}
        if body["kind"] == "Workflow":
            # The published schema asks for nothing that generateName leaves out.
            assert "name" not in body["metadata"]
        jsonschema.Draft7Validator(schema).validate(body)
        assert unknown_keys(body, {"$ref": f"#/definitions/{kind}"}) == []


def test_the_check_of_keys_finds_one() -> None:
    body = load("argo")["argo/workflow.yaml"]
    body["spec"]["templates"][1]["container"]["imagePullPolice"] = "Always"
    assert unknown_keys(body, {"$ref": "#/definitions/io.argoproj.workflow.v1alpha1.Workflow"}) == [
        ".spec.templates[1].container.imagePullPolice"
    ]


def test_argo_jobs_and_artifacts() -> None:
    spec = load("argo", **SETTINGS)["argo/workflow.yaml"]["spec"]
    templates = {one["name"]: one for one in spec["templates"]}
    tasks = {one["name"]: one for one in templates["pipeline"]["dag"]["tasks"]}
    assert tasks["evaluate"]["dependencies"] == ["train-a", "train-b"]
    given = {one["name"]: one["from"] for one in tasks["evaluate"]["arguments"]["artifacts"]}
    assert list(given) == ["ingest", "clean", "train-a", "train-b"]
    assert given["clean"] == "{{tasks.clean.outputs.artifacts.bundle}}"
    train = templates["run-train-a"]
    assert train["container"]["resources"]["requests"] == {"cpu": "2000m", "memory": "2048Mi"}
    assert train["activeDeadlineSeconds"] == "1860"
    assert train["retryStrategy"]["retryPolicy"] == "OnError"
    secret = [one for one in train["container"]["env"] if one["name"] == "DB_PASSWORD"]
    assert secret[0]["valueFrom"]["secretKeyRef"] == {
        "name": "flights-demo-secrets",
        "key": "DB_PASSWORD",
    }
    assert [one["name"] for one in spec["arguments"]["parameters"]] == [
        "max_depth",
        "month",
        "source",
        "cache",
    ]
    cron = load("argo", **SETTINGS)["argo/cron.yaml"]["spec"]
    assert cron["schedules"] == ["30 4 * * *"]
    assert (cron["timezone"], cron["concurrencyPolicy"]) == ("Europe/Berlin", "Forbid")
    assert cron["startingDeadlineSeconds"] == 600


def test_argo_jobs_share_a_cache_by_url_or_by_volume() -> None:
    def parts(**settings: object) -> tuple[dict, dict, dict]:
        spec = load("argo", **settings)["argo/workflow.yaml"]["spec"]
        parameters = {one["name"]: one["value"] for one in spec["arguments"]["parameters"]}
        container = spec["templates"][1]["container"]
        env = [one for one in container["env"] if one["name"] == "MLOPS_NB_CACHE"]
        assert env == [{"name": "MLOPS_NB_CACHE", "value": "{{workflow.parameters.cache}}"}]
        claims = {
            one["name"]: one["persistentVolumeClaim"]["claimName"]
            for one in spec["volumes"]
            if "persistentVolumeClaim" in one
        }
        mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        return parameters["cache"], claims, {name: mounts.get(name) for name in claims}

    assert parts() == ("", {}, {})
    assert parts(cache="s3://bucket/it") == ("s3://bucket/it", {}, {})
    assert parts(env={"MLOPS_NB_CACHE": "s3://bucket/it"})[0] == "s3://bucket/it"
    volume = {"cache-volume": "shared"}
    assert parts(**volume) == ("/cache", {"cache": "shared"}, {"cache": "/cache"})
    assert parts(cache="/x", **volume)[2] == {"cache": "/x"}
    # A parameter of the pipeline that is called so keeps out of the way.
    own = Pipeline(name="x", root="/p", spec="s", tasks=(task("a", params={"cache": 1}),))
    named = load("argo", own)["argo/workflow.yaml"]["spec"]["arguments"]["parameters"]
    assert [one["name"] for one in named][1:] == ["cache"]
    assert named[0]["name"].startswith("cache_")


def test_argo_gives_a_token_to_its_executor_only() -> None:
    files = export.render("argo", small(), {"namespace": "ml", "schedule": "30 4 * * *"})
    account, token, role, binding = yaml.safe_load_all(files[EXECUTOR])
    assert account["automountServiceAccountToken"] is False
    assert token["metadata"]["name"] == "flights-demo-executor.service-account-token"
    assert role["rules"] == [
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["workflowtaskresults"],
            "verbs": ["create", "patch"],
        }
    ]
    assert binding["subjects"][0]["namespace"] == "ml"
    flow, cron = (
        yaml.safe_load(files["argo/workflow.yaml"]),
        yaml.safe_load(files["argo/cron.yaml"]),
    )
    for spec in (flow["spec"], cron["spec"]["workflowSpec"]):
        assert spec["automountServiceAccountToken"] is False
        assert spec["executor"] == {"serviceAccountName": "flights-demo-executor"}
    own = export.render("argo", small(), {"executor-account": "theirs"})
    assert EXECUTOR not in own
    spec = yaml.safe_load(own["argo/workflow.yaml"])["spec"]
    assert spec["executor"] == {"serviceAccountName": "theirs"}


ARGO_TAG = re.compile(r"\{\{.*?\}\}", re.DOTALL)
OURS = re.compile(
    r"\{\{(tasks\.[a-z0-9-]+\.outputs\.artifacts\.(?:bundle|passed)|workflow\.parameters\.[a-z0-9_]+|='\{' \+ '\{')\}\}"
)


def test_argo_hostile_names(tmp_path: Path) -> None:
    body = load("argo", hostile(), **SETTINGS | {"schedule": ""})["argo/workflow.yaml"]
    values = json.dumps(body, ensure_ascii=False)
    assert all(OURS.fullmatch(tag) for tag in ARGO_TAG.findall(values))
    spec = body["spec"]
    scripts = []
    for one in spec["templates"][1:]:
        script = kubernetes_value(
            one["container"]["args"][0], {"HOME": "EXPANDED", "touch PWNED": "X"}
        )
        assert script.startswith("cp -R /app/. /work/\ncd /work\n")
        scripts.append(script.split("\n", 2)[2])
    commands = record_commands(scripts, tmp_path)
    assert tasks_run(commands) == list(HOSTILE)


def test_kubernetes_does_as_little_as_it_may() -> None:
    found = load("kubernetes", **SETTINGS)
    job, cron = found["kubernetes/job.yaml"], found["kubernetes/cronjob.yaml"]
    assert found["kubernetes/kustomization.yaml"]["resources"] == [
        *("parameters.yaml", "volume.yaml", "job.yaml", "cronjob.yaml", "drift.yaml")
    ]
    for spec in (job["spec"], cron["spec"]["jobTemplate"]["spec"]):
        pod = spec["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["restartPolicy"] == "Never"
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"] == {"memory": "2048Mi"}
        assert container["envFrom"] == [{"configMapRef": {"name": "flights-demo-parameters"}}]
        secrets = [one for one in container["env"] if "valueFrom" in one]
        assert secrets[0]["valueFrom"]["secretKeyRef"]["name"] == "flights-demo-secrets"
        region = next(one["value"] for one in container["env"] if one["name"] == "REGION")
        assert kubernetes_value(region, {"HOME": "x"}) == "a$(HOME)$$b"
    assert cron["spec"]["timeZone"] == "Europe/Berlin"
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    assert cron["spec"]["startingDeadlineSeconds"] == 600
    ignore, fail = job["spec"]["podFailurePolicy"]["rules"]
    assert ignore["action"] == "Ignore"
    # A notebook that fails is not run again: only a killed container is.
    assert fail["action"] == "FailJob"
    assert fail["onExitCodes"] == {
        "containerName": "pipeline",
        "operator": "NotIn",
        "values": [137, 143],
    }
    assert found["kubernetes/parameters.yaml"]["data"]["PARAM_MONTH"] == ""


def test_kubernetes_hostile_names(tmp_path: Path) -> None:
    container = load("kubernetes", hostile())["kubernetes/job.yaml"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    script = kubernetes_value(container["args"][0], {"touch PWNED": "X", "HOME": "X"})
    copied, _, run = script.partition(f"\n{FORGET}\n")
    assert copied == "cp -R /app/. /work/\ncd /work"
    commands = record_commands([run], tmp_path)
    assert commands == [["mlops-nb", "run", "--params-from-env"]]


def test_docker_is_locked_layered_and_not_root() -> None:
    files = export.render("docker", small(), {"hashes": True, "lock": "locks/prod.txt"})
    text = files["Dockerfile"]
    assert text.count("\nFROM python:3.12-slim-bookworm") == 2
    assert (
        text.index("COPY locks/prod.txt") < text.index("RUN --mount") < text.index("COPY --chown")
    )
    assert "--require-hashes -r locks/prod.txt" in text
    assert "\nUSER 10001:10001\n" in text
    ignored = files[".dockerignore"].splitlines()
    assert {".git", ".mlops", "**/.env*", "**/*.pem", "products/train_b.csv"} <= set(ignored)


def test_docker_installs_a_package_after_its_lock() -> None:
    def lines(**settings: object) -> list[str]:
        text = export.render("docker", small(), settings)["Dockerfile"]
        build = text.split("\nFROM ")[1]
        kinds = ("COPY", "RUN --mount", "RUN cat")
        return [
            one.rpartition("version-check ")[2]
            for one in build.splitlines()
            if one.startswith(kinds)
        ]

    assert lines() == ["COPY requirements.txt requirements.txt", "-r requirements.txt"]
    assert lines(package=True) == [
        *(
            "COPY requirements.txt requirements.txt",
            "-r requirements.txt",
            "COPY . .",
            "--no-deps .",
        )
    ]
    assert lines(package=True, lock="constraints.txt") == ["COPY . .", "-c constraints.txt ."]
    assert lines(install=["cat x"]) == ["COPY . .", "RUN cat x"]


def test_no_volume_hides_the_sources() -> None:
    def targets(*products: str) -> list[str]:
        made = task(
            "a", source="notebooks/a.ipynb", products=tuple(Product(path=p) for p in products)
        )
        body = load("docker", Pipeline(name="x", root="/p", spec="s", tasks=(made,)))[
            "compose.yaml"
        ]
        return [one["target"] for one in body["services"]["pipeline"]["volumes"]]

    assert targets("products/a/x", "products/b") == ["/app/.mlops", "/app/products"]
    assert targets("notebooks/out/deep/x") == ["/app/.mlops", "/app/notebooks/out"]
    assert targets("x") == ["/app/.mlops"]


def test_compose_runs_pipeline_server_and_monitor() -> None:
    body = load("docker", secrets=["DB_PASSWORD"], env={"A": "x$y"})["compose.yaml"]
    services = body["services"]
    assert set(services) == {"pipeline", "mlflow", "monitor"}
    assert services["monitor"]["command"][:2] == ["monitor", "serve"]
    assert "9187/metrics" in str(services["monitor"]["healthcheck"]["test"])
    assert set(load("docker", **SETTINGS)["compose.yaml"]["services"]) == {*services, "drift"}
    assert services["pipeline"]["depends_on"] == {"mlflow": {"condition": "service_healthy"}}
    assert "healthcheck" in services["mlflow"]
    assert services["pipeline"]["environment"]["DB_PASSWORD"] is None
    assert services["pipeline"]["environment"]["A"] == "x$$y"
    assert all(one["cap_drop"] == ["ALL"] for one in services.values())
    used = {one["source"] for service in services.values() for one in service["volumes"]}
    assert used == set(body["volumes"])


def test_docker_hostile_names(tmp_path: Path) -> None:
    files = export.render("docker", hostile(), {"install": ["echo 'a\nb'", "echo x \\"]})
    starts = (
        "#",
        "FROM ",
        "ENV ",
        "WORKDIR ",
        "RUN ",
        "COPY ",
        "USER ",
        "ENTRYPOINT ",
        "CMD ",
        "    ",
    )
    for line in files["Dockerfile"].splitlines():
        assert line == "" or line.startswith(starts), line
    assert "PWNED" not in files["Dockerfile"].replace("# ", "")
    command = load_yaml(files["compose.yaml"])["services"]["pipeline"]["command"][0]
    assert "$" not in command.replace("$$", "")
    assert record_commands([command.replace("$$", "$")], tmp_path) == [
        ["mlops-nb", "run", "--params-from-env"]
    ]
    with pytest.raises(Exception, match="cannot be used"):
        export.render("docker", small(), {"lock": "a; touch PWNED"})
