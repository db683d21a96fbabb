"""rq-dashboard's pages of what ours made and ran."""

import pytest
from rq import Queue
from rq_dashboard import web
from rq_dashboard.cli import make_flask_app

from conftest import wait_for


@pytest.fixture
def page(redis_url):
    app = make_flask_app(None, None, None, "")
    app.config["RQ_DASHBOARD_REDIS_URL"] = redis_url
    web.setup_rq_connection(app)
    client = app.test_client()

    def page(path):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.get_json()

    return page


def test_its_pages_show_jobs_and_workers_of_ours(conn, programs, page):
    done = programs.rust_enqueue("demo.add", "[1, 2]")
    bad = programs.rust_enqueue("demo.fail", '["no such luck"]')
    programs.rust_worker("--burst").wait(30)
    waits = programs.rust_enqueue("demo.add", "[3, 4]", "--queue", "other")
    later = programs.rust_enqueue("--in", "3600", "demo.add", "[3, 4]")
    runs = programs.rust_enqueue("demo.sleep", "[60]")
    programs.rust_worker("--lease", "1")
    queue = Queue("default", connection=conn)
    wait_for(lambda: queue.fetch_job(runs).get_executions(), "a heartbeat")

    queues = {one["name"]: one for one in page("/0/data/queues.json")["queues"]}
    assert queues["other"]["count"] == 1
    counts = {name: queues["default"][f"{name}_job_registry_count"] for name in ("failed", "started", "finished", "scheduled")}
    assert counts == {"failed": 1, "started": 1, "finished": 1, "scheduled": 1}

    for registry, queue, job in [
        ("queued", "other", waits), ("finished", "default", done), ("failed", "default", bad),
        ("scheduled", "default", later), ("started", "default", runs),
    ]:
        jobs = page(f"/0/data/jobs/{queue}/{registry}/10/asc/1.json")["jobs"]
        assert [one["id"] for one in jobs] == [job], registry
    assert page(f"/0/data/job/{done}.json")["result"] == 3
    shown = page(f"/0/data/job/{bad}.json")
    assert shown["status"] == "failed" and "no such luck" in shown["exc_info"]
    assert page(f"/0/data/job/{runs}.json")["description"] == "demo.sleep(60)"

    (worker,) = page("/0/data/workers.json")["workers"]
    assert worker["state"] == "busy" and worker["queues"] == ["default"]
    assert runs in str(worker["current_job"])


def test_a_running_job_in_json_is_no_current_job(conn, programs):
    # Its page of workers would be lost by that. RQ 3 reads the set of executions, whatever is in it, and this dashboard reads pickles only: a fault of its own that ours cannot mend.
    programs.rust_enqueue("--json", "demo.sleep", "[60]")
    programs.rust_worker("--lease", "1")
    wait_for(lambda: conn.keys("rq:execution:*"), "a heartbeat")
    (key,) = conn.smembers("rq:workers")
    assert not conn.hexists(key, "current_job") and conn.hget(key, "state") == b"busy"
