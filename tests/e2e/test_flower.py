"""Flower's own API shows what a person looks for: shards by their order, and every queue."""

import time

import httpx

from core.messages import QUEUES, Reconcile, RunShard


def test_shards_are_not_buried_and_every_queue_is_there(stack, client):
    with httpx.Client(base_url=stack.flower_url, auth=stack.flower_login, timeout=30) as flower:
        deadline_s = time.monotonic() + 120
        while "generate-1@" not in flower.get("/workers").text and time.monotonic() < deadline_s:
            time.sleep(0.5)
        dataset = client.order(4, shard_size=2, seed=11)
        client.wait(dataset.id, timeout_s=240)
        shards: list[dict] = []
        deadline_s = time.monotonic() + 60
        while len(shards) < 2 and time.monotonic() < deadline_s:
            tasks = flower.get("/api/tasks", params={"limit": 1000}).json().values()
            shards = [
                task
                for task in tasks
                if task["name"] == RunShard.task
                and dataset.id in task["kwargs"]
                and task["state"] == "SUCCESS"
            ]
            time.sleep(0.5)
        assert len(shards) == 2, "each shard, by its dataset's id"
        assert Reconcile.task not in {task["name"] for task in tasks}
        known = flower.get("/api/queues/length").json()["active_queues"]
    assert set(QUEUES) <= {queue["name"] for queue in known}
