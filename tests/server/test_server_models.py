"""Models, monitoring and long work through REST."""

from __future__ import annotations

import pytest
from server_kit import Server

pytestmark = pytest.mark.slow


def test_models_from_the_list_to_a_rollback(server: Server, models: str) -> None:
    (summary,) = server.get("/models", project=models)["models"]
    assert summary["model"] == "trips"
    assert summary["champion"]["version"] == 1
    assert summary["latest"]["version"] == 2
    assert summary["aliases"] == {"champion": 1}
    listed = server.get("/models/trips/versions", project=models)["versions"]
    assert [one["version"] for one in listed] == [2, 1]
    shown = server.get("/models/trips/versions/champion", project=models)
    assert shown["version"]["version"] == 1
    assert shown["info"]["signature"]["inputs"][0]["name"] == "a"
    gates = server.get("/models/trips/versions/2/gates", project=models)
    assert not gates["ready"]
    assert [gate["gate"] for gate in gates["gates"]] == ["good-enough"]

    path = "/models/trips/versions/2"
    refused = server.post(f"{path}/promote", {}, project=models, status=422)["error"]
    assert refused["kind"] == "GateError"
    job = server.post(f"{path}/check", {}, project=models, status=202)
    assert job["subject"] == "trips v2"
    with server.listening() as listener:
        done = server.job(job, project=models)
        assert done["state"] == "done", done
        assert done["gates"]["results"][0]["gate"] == "good-enough"
        assert server.get("/jobs", project=models)["jobs"][0]["id"] == job["id"]
        forced = {"force": True, "reason": "for the test"}
        body = {} if done["gates"]["ready"] else forced
        body["expected"] = 2
        conflict = server.post(f"{path}/promote", body, project=models, status=409)["error"]
        assert conflict["kind"] == "ConflictError"
        body["expected"] = 1
        promoted = server.post(f"{path}/promote", body, project=models)
        assert (promoted["version"], promoted["previous"]) == (2, 1)
        told = listener.until("models.changed")
    assert told["project"] == models
    back = server.post("/models/trips/rollback", {"reason": "worse"}, project=models)
    assert back["version"] == 1
    approved = server.post(f"{path}/approve", {"comment": "fine"}, project=models)
    assert approved["kind"] == "approved"
    rejected = server.post(f"{path}/reject", {"comment": "no"}, project=models)
    assert rejected["version"] == 2
    entries = server.get("/models/trips/history", project=models)["entries"]
    assert [one["kind"] for one in entries][-3:] == ["rolled-back", "approved", "rejected"]
    comparison = server.get("/models/trips/compare", left="1", right="2", project=models)
    assert comparison["paired_rows"] > 0
    verified = server.job(server.post("/models-verify", project=models, status=202), project=models)
    assert verified["verified"]["problems"] == []


def test_what_is_not_there_is_404(server: Server, models: str) -> None:
    for path, said in (
        ("/models/trip/versions", 'did you mean "trips"'),
        ("/models/trips/versions/9", "9"),
        ("/models/trips/versions/9/gates", "9"),
        ("/models/nothing/history", "nothing"),
        ("/models/trips/compare?left=9", "9"),
        ("/monitoring/trip/heatmap", "trip"),
        ("/monitoring/trips/windows/2012-01", "2012-01"),
        ("/monitoring/trips/column?window=2013-05&column=x", "x"),
        ("/jobs/none", "none"),
        ("/alerts?model=nothing", "nothing"),
    ):
        path, _, query = path.partition("?")
        asked = dict(pair.split("=") for pair in query.split("&") if pair)
        error = server.get(path, project=models, status=404, **asked)["error"]
        assert said in error["message"] + error["fix"]
    missing = {"alert": "trips/a/drift@2010"}
    server.post("/alerts/acknowledge", missing, project=models, status=404)
    server.post("/models/trips/versions/9/approve", {}, project=models, status=404)
    server.post("/models/trips/versions/2/reject", {}, project=models, status=400)


def test_monitoring_from_the_heat_map_to_a_snooze(server: Server, models: str) -> None:
    (status,) = server.get("/monitoring", project=models)["models"]
    assert status["window"] == "2013-07"
    heat = server.get("/monitoring/trips/heatmap", project=models)
    assert [one["window"] for one in heat["windows"]] == ["2013-05", "2013-06", "2013-07"]
    assert heat["windows"][1]["drifted"] >= 1
    worst = heat["columns"][0]
    states = [cell["state"] for cell in worst["cells"]]
    assert states[0] == "ok"
    assert states[1] == states[2] == "drift"
    assert len(server.get("/monitoring/trips/heatmap", project=models, last=1)["windows"]) == 1
    server.get("/monitoring/trips/heatmap", project=models, baseline="other", status=404)
    column = server.get("/monitoring/trips/column", project=models, window="2013-06", column="a")
    assert column["overlay"]["edges"]
    window = server.get("/monitoring/trips/windows/2013-06", project=models)
    assert window["version"] == "1"
    series = server.get("/monitoring/trips/performance", project=models)
    assert {"realised", "estimated"} >= {point["kind"] for point in series["points"]}
    assert len({point["window"] for point in series["points"]}) == 3

    alerts = server.get("/alerts", project=models)["alerts"]
    assert alerts
    with server.listening() as listener:
        body = {"alert": alerts[0]["id"], "reason": "known"}
        seen = server.post("/alerts/acknowledge", body, project=models)
        assert seen["state"] == "acknowledged"
        assert listener.until("alerts.changed")["data"]["model"] == "trips"
    body["until"] = "2013-09"
    assert server.post("/alerts/snooze", body, project=models)["state"] == "snoozed"
    page = server.post("/monitoring/trips/report", project=models)["path"]
    assert server.ask("GET", f"/files/{page}", project=models).status_code == 200


def test_project_without_models_is_empty_not_broken(server: Server) -> None:
    assert server.get("/models", project="one")["models"] == []
    assert server.get("/monitoring", project="one")["models"] == []
    assert server.get("/alerts", project="one")["alerts"] == []
    assert server.get("/runs", project="one")["runs"] == []
    assert server.get("/jobs", project="one")["jobs"] == []
    server.get("/monitoring/trips/heatmap", project="one", status=404)
