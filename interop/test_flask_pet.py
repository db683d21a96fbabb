"""The tutorial's program as it is, with `lullaby scheduler` where it says `rqscheduler`."""

import json
import urllib.error
import urllib.request

from conftest import PYTHON_BIN, free_port, wait_for


def test_a_pet_naps_and_grows_hungry_with_our_scheduler_and_rqs_worker(conn, programs):
    port = free_port()
    programs.start(
        PYTHON_BIN / "flask", "--app", "flask_pet", "run", "--port", str(port),
        NAP_SECONDS="2", HOUR_SECONDS="1",
    )
    programs.lullaby_scheduler()
    programs.rq_worker("default")

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.read().decode()

    def answers():
        try:
            return get("adopt_pet/Mochi")
        except urllib.error.URLError:
            return None

    def pet():
        return json.loads(get("pet/Mochi"))

    assert wait_for(answers, "Flask") == "Adopted the pet"
    assert get("play_with_pet/Mochi") == "Played with the pet"
    assert pet()["energy"] == 8
    assert get("put_pet_to_sleep/Mochi") == "Put the pet to sleep"
    assert pet()["asleep"] and pet()["energy"] == 13
    wait_for(lambda: not pet()["asleep"], "the pet to wake")
    assert pet()["energy"] == 10
    hunger = pet()["hunger"]
    wait_for(lambda: pet()["hunger"] >= hunger + 3, "three ticks")
    get("feed_pet/Mochi")
    # One schedule for ever, and nothing else.
    assert conn.zcard("rq:scheduler:scheduled_jobs") == 1
