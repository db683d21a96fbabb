"""The tutorial's program: a pet in Flask, its naps and its hunger in rq-scheduler.

Where the tutorial is silent, pets are kept in Redis. Its jobs take a pickled pet along, which only Python can read.
"""

import os
import pickle
from datetime import datetime, timedelta, timezone

from flask import Flask, jsonify
from redis import Redis
from rq_scheduler import Scheduler

NAP = timedelta(seconds=float(os.environ.get("NAP_SECONDS", 20 * 60)))
HOUR = int(os.environ.get("HOUR_SECONDS", 3600))

app = Flask(__name__)
app.redis = Redis.from_url(os.environ["TEST_REDIS"])
app.scheduler = Scheduler(connection=app.redis)


class VirtualPet:
    def __init__(self, name):
        self.name, self.hunger, self.energy, self.asleep = name, 0, 10, False

    def feed(self):
        self.hunger = max(self.hunger - 5, 0)

    def play(self):
        self.hunger += 1
        self.energy -= 2

    def sleep(self):
        self.energy += 5
        self.asleep = True


def get_pet(name):
    return pickle.loads(app.redis.get(f"pet:{name}"))


def save_pet(pet):
    app.redis.set(f"pet:{pet.name}", pickle.dumps(pet))


def increase_hunger(pet):
    pet = get_pet(pet.name)
    pet.hunger += 1
    save_pet(pet)


def wake_up(pet):
    pet = get_pet(pet.name)
    pet.energy, pet.asleep = 10, False
    save_pet(pet)


@app.route("/adopt_pet/<name>")
def adopt_pet(name):
    pet = VirtualPet(name)
    save_pet(pet)
    app.scheduler.schedule(
        scheduled_time=datetime.now(timezone.utc),
        func=increase_hunger,
        args=(pet,),
        interval=HOUR,
        repeat=None,
    )
    return "Adopted the pet"


@app.route("/feed_pet/<name>")
def feed_pet(name):
    pet = get_pet(name)
    pet.feed()
    save_pet(pet)
    return "Fed the pet"


@app.route("/play_with_pet/<name>")
def play_with_pet(name):
    pet = get_pet(name)
    pet.play()
    save_pet(pet)
    return "Played with the pet"


@app.route("/put_pet_to_sleep/<name>")
def put_pet_to_sleep(name):
    pet = get_pet(name)
    pet.sleep()
    save_pet(pet)
    app.scheduler.enqueue_in(NAP, wake_up, pet)
    return "Put the pet to sleep"


@app.route("/pet/<name>")
def show_pet(name):
    return jsonify(vars(get_pet(name)))
