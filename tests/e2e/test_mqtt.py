"""Home Assistant's view: what Debian's mosquitto is told, and what becomes of
it when the broker or the box goes."""

import json
import re

from harness import check, equal, wait_until
from lan import NET, Lan, LanBox


class Broker:
    """mosquitto beside the bridge, and a client that hears all."""

    def __init__(self, lan, password=None):
        self.lan, self.t = lan, lan.t
        self.conf = self.t.path("mosquitto.conf")
        text = f"listener 1883 {NET}.1\npersistence false\n"
        if password:
            users = self.t.path("users")
            self.t.run("mosquitto_passwd", "-c", "-b", users, "box", password)
            users.chmod(0o644)
            text += f"password_file {users}\nallow_anonymous false\n"
        else:
            text += "allow_anonymous true\n"
        self.conf.write_text(text + "user root\n")
        self.auth = ("-u", "box", "-P", password) if password else ()
        self.starts = 0
        self.start()

    def start(self):
        self.starts += 1
        self.p = self.lan.start(f"broker{self.starts}", "mosquitto", "-c",
                                self.conf)
        wait_until("the broker", lambda: self.lan.sh(
            "nc", "-z", f"{NET}.1", "1883", ok=False).returncode == 0)

    def retained(self):
        """{topic: payload} of all that the broker keeps."""
        r = self.lan.sh("mosquitto_sub", "-h", f"{NET}.1", *self.auth, "-v",
                        "-t", "#", "-W", "1", ok=False)
        return dict(line.split(" ", 1) for line in r.stdout.splitlines()
                    if " " in line)


def lookup(state, template):
    """What a template of ours picks out of the state."""
    path = re.fullmatch(r"\{\{ value_json\.(.*) \}\}", template).group(1)
    value = state
    for part in re.findall(r"phones|\['(\w+)'\]|\.?(\w+)", path):
        name = part[0] or part[1] or "phones"
        value = value[name]
    return value


def test_home_assistant_finds_a_device(t):
    sim = t.sim({"name": 'Ana\'s "iPhone"', "plugged": "no"})
    lan = Lan(t)
    broker = Broker(lan)
    box = LanBox(lan, sim=sim, address=f"{NET}.20/24", mqtt__broker=f"{NET}.1")
    box.wait_said("connected to the MQTT broker")
    sim.phone().ctl("plug")
    state_topic = wait_until("a safe phone", lambda: next(
        (k for k, v in broker.retained().items()
         if k.endswith("/state") and '"state":"safe"' in v), None), 40)
    got = broker.retained()
    state = json.loads(got[state_topic])
    equal(got[state_topic.replace("/state", "/available")], "online", "box")
    entities = {k: json.loads(v) for k, v in got.items()
                if k.startswith("homeassistant/")}
    equal(len(entities), 4 + 5, "entities")
    equal(len({e["unique_id"] for e in entities.values()}), 9, "unique ids")
    equal(len({json.dumps(e["device"]) for e in entities.values()}), 1,
          "devices")
    for topic, e in entities.items():
        check(re.fullmatch(r"homeassistant/(binary_)?sensor/[a-z0-9_-]+/"
                           r"config", topic), topic)
        equal(e["state_topic"], state_topic, topic)
        value = lookup(state, e["value_template"])
        if topic.startswith("homeassistant/binary_sensor"):
            check(value in ("ON", "OFF"), f"{topic}: {value}")
        if e.get("device_class") == "timestamp":
            check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
                               value), f"{topic}: {value}")
    check(any("Ana's \"iPhone\" last safe backup" == e["name"]
              for e in entities.values()), "the phone's name")
    # The box goes: the broker says so.
    box.p.stop()
    wait_until("offline", lambda: broker.retained()[
        state_topic.replace("/state", "/available")] == "offline", 20)


def test_a_broker_that_comes_back_is_told_again(t):
    lan = Lan(t)
    broker = Broker(lan)
    box = LanBox(lan, address=f"{NET}.20/24", mqtt__broker=f"{NET}.1")
    box.wait_said("connected to the MQTT broker")
    wait_until("a state", lambda: any(
        k.endswith("/state") for k in broker.retained()))
    broker.p.stop()
    box.wait_said("can't be reached")
    broker.start()
    check(not broker.retained(), "it kept what it was told")
    wait_until("all of it again", lambda: len(broker.retained()) == 6, 60, 1)


def test_user_and_password(t):
    lan = Lan(t)
    broker = Broker(lan, password="a secret")
    wrong = LanBox(lan, name="wrong", address=f"{NET}.20/24",
                   mqtt__broker=f"{NET}.1", mqtt__user="box",
                   mqtt__password="another")
    wrong.wait_said("user or password is wrong")
    wrong.p.stop()
    right = LanBox(lan, name="right", address=f"{NET}.21/24",
                   mqtt__broker=f"{NET}.1", mqtt__user="box",
                   mqtt__password="a secret")
    wait_until("a state", lambda: any(
        k.endswith("/state") for k in broker.retained()), 30)
    for box in (wrong, right):
        check("secret" not in box.p.err and "another" not in box.p.err,
              "a password is in the log")


def test_a_name_that_nobody_knows(t):
    lan = Lan(t)
    lan.dnsmasq()
    box = LanBox(lan, mqtt__broker="nowhere.invalid")
    box.wait_said("the MQTT broker nowhere.invalid can't be reached", 60)
    box.must_answer(box.address())
