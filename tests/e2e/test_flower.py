"""Flower's own API shows what a person looks for: shards by their order, and every queue."""

import re
import time

import httpx

from core.messages import QUEUES, Reconcile, RunShard

TABLE = {
    "draw": "1", "start": "0", "length": "10", "search[value]": "", "order[0][column]": "7",
    "order[0][dir]": "desc", "columns[7][data]": "received",
}  # fmt: skip
CONSOLE = {"X-MatteForge-Console": "1"}


def test_shards_are_not_buried_and_every_queue_is_there(stack, client):
    with httpx.Client(base_url=stack.flower_url, auth=stack.flower_login, timeout=30) as flower:
        deadline_s = time.monotonic() + 120
        while "generate-1@" not in flower.get("/workers").text and time.monotonic() < deadline_s:
            time.sleep(0.5)
        dataset = client.order(4, shard_size=2, seed=11)
        client.wait(dataset.id, timeout_s=240)
        shards: set[str] = set()
        deadline_s = time.monotonic() + 60
        while len(shards) < 2 and time.monotonic() < deadline_s:
            tasks = flower.get("/api/tasks", params={"limit": 1000}).json().values()
            shards = {
                task["kwargs"]  # a shard may be rung for twice
                for task in tasks
                if task["name"] == RunShard.task
                and dataset.id in task["kwargs"]
                and task["state"] == "SUCCESS"
            }
            time.sleep(0.5)
        assert len(shards) == 2, "each shard, by its dataset's id"
        assert Reconcile.task not in {task["name"] for task in tasks}
        known = flower.get("/api/queues/length").json()["active_queues"]
    assert set(QUEUES) <= {queue["name"] for queue in known}


def test_admins_see_flower_by_the_console_s_session_and_change_nothing_there(stack):
    with httpx.Client(base_url=stack.url, timeout=30, follow_redirects=True) as browser:
        assert browser.get("/flower/workers").status_code == 401
        signed_in = browser.post("/session", json={"key": stack.api_key}, headers=CONSOLE).json()
        assert (signed_in["admin"], signed_in["flower"]) == (True, "/flower/")
        page = browser.get("/flower")
        assert page.url.path == "/flower/"
        assert "Flower" in page.text
        static = re.findall(r'src="(/flower/static/[^"]+)"', page.text)
        assert len(static) > 5
        assert {browser.get(path).status_code for path in static} == {200}
        known = browser.get("/flower/api/queues/length").json()["active_queues"]
        assert set(QUEUES) <= {queue["name"] for queue in known}
        table = browser.post("/flower/tasks/datatable", data=TABLE)
        assert (table.status_code, table.json()["draw"]) == (200, 1)
        for path in ("worker/shutdown/celery@x", "task/revoke/x"):
            assert browser.post(f"/flower/api/{path}", headers=CONSOLE).status_code == 403
