"""The webhook: every line of the ledger arrives once, signed, whatever the
receiver is like and whatever part of the box begins anew."""

import hashlib
import hmac
import json
import os
import re
import signal

from harness import check, equal, wait_until
from lan import NET, Lan, LanBox

SECRET = "between us two"


class Receiver:
    starts = 0

    def __init__(self, lan, kind="ok", port=8123):
        Receiver.starts += 1
        path = os.path.join(os.path.dirname(__file__), "hookpeer.py")
        self.p = lan.start(f"hook{Receiver.starts}-{kind}", "python3", path,
                           f"{NET}.1", port, kind)
        wait_until("the receiver", lambda: "ready" in self.p.out)

    @property
    def requests(self):
        return [json.loads(line) for line in self.p.out.splitlines()
                if line.startswith('{"line"')]

    def wait(self, n=1, seconds=40):
        wait_until(f"{n} posts", lambda: len(self.requests) >= n, seconds)
        return self.requests


def hook_box(lan, sim, **keys):
    keys = {"address": f"{NET}.20/24", "webhook__secret": SECRET,
            "webhook__url": f"http://{NET}.1:8123/night?key=hidden", **keys}
    return LanBox(lan, sim=sim, **keys)


def outbox(box):
    return (box.state / "webhook.jsonl").read_text().splitlines()[1:]


def is_signed(request):
    want = hmac.new(SECRET.encode(), request["body"].encode(),
                    hashlib.sha256).hexdigest()
    equal(request["headers"]["x-nightstand-signature"], f"sha256={want}",
          "signature")


def test_a_night_arrives_signed(t):
    sim = t.sim({"plugged": "no", "name": 'Ana\'s "iPhone"'})
    lan = Lan(t)
    there = Receiver(lan)
    box = hook_box(lan, sim)
    box.wait_said("the box is nightstand.local")
    sim.phone().ctl("plug")
    got = there.wait()[0]
    equal(got["line"], "POST /night?key=hidden HTTP/1.1", "request")
    equal(got["headers"]["host"], f"{NET}.1:8123", "Host")
    equal(got["headers"]["content-type"], "application/json", "type")
    is_signed(got)
    event = json.loads(got["body"])
    equal(event["state"], "safe", "state")
    equal(event["phone"], 'Ana\'s "iPhone"', "phone")
    equal(event["box"], "nightstand", "box")
    equal(event["id"], got["headers"]["x-nightstand-event"], "id")
    check("60 new files" in event["text"] or "new files" in event["text"],
          event["text"])
    line = json.loads((box.state / "nights.jsonl").read_text())
    equal({k: v for k, v in event.items() if k in line}, line, "ledger")
    wait_until("an empty outbox", lambda: not outbox(box))
    box.p.stop()
    for word in (SECRET, "hidden", hmac.new(
            SECRET.encode(), got["body"].encode(), "sha256").hexdigest()):
        check(word not in box.p.err, f"{word} is in the log")
    equal(len(there.requests), 1, "posts")


def unplugged_nights(box, phone, n):
    """n lines: each time it is pulled in the middle."""
    for i in range(n):
        phone.ctl("at", "upload-file:20", "unplug")
        phone.ctl("plug")
        wait_until(f"line {i + 1}", lambda: (
            (box.state / "nights.jsonl").exists() and
            (box.state / "nights.jsonl").read_text().count("\n") == i + 1))


def test_down_then_up_again(t):
    """Nobody is there; the box ends, begins anew, its page's role is killed:
    each event arrives once and in order."""
    sim = t.sim({"plugged": "no", "files": 100})
    phone = sim.phone()
    lan = Lan(t)
    box = hook_box(lan, sim)
    unplugged_nights(box, phone, 3)
    box.wait_said(f"the webhook at {NET}.1 was not told: nobody takes")
    wait_until("all in the outbox", lambda: len(outbox(box)) == 3)
    box.p.stop()
    box.p = lan.start("again", *box.command, ns=box.ns, env=sim.env)
    box.wait_said("was not told: nobody takes")
    web = int(re.findall(r"started role=web pid=(\d+)", box.p.err)[-1])
    there = Receiver(lan)
    os.kill(web, signal.SIGKILL)
    events = [json.loads(r["body"]) for r in there.wait(3)]
    wait_until("an empty outbox", lambda: not outbox(box))
    lines = [json.loads(line) for line in (
        box.state / "nights.jsonl").read_text().splitlines()]
    equal([e["at"] for e in events], [n["at"] for n in lines], "times")
    equal([e["id"].split("-")[1] for e in events], ["1", "2", "3"], "ids")
    equal(len({e["id"].split("-")[0] for e in events}), 1, "boxes")
    for r in there.requests:
        is_signed(r)
    equal(len(there.requests), 3, "posts")


def test_receivers_that_are_no_good(t):
    sim = t.sim({"plugged": "no", "files": 100})
    phone = sim.phone()
    lan = Lan(t)
    kinds = {"garbage": "makes no sense", "endless-head": "makes no sense",
             "endless-continue": "makes no sense", "close": "closes without",
             "redirect": "answers with 302", "500": "answers with 500",
             "404": "answers with 404"}
    elsewhere = Receiver(lan, port=81)
    for kind, said in kinds.items():
        there = Receiver(lan, kind)
        box = hook_box(lan, sim, name=kind)
        unplugged_nights(box, phone, 1)
        box.wait_said(said)
        equal(len(there.requests), 1, f"posts to {kind}")
        box.must_answer(f"{NET}.20")
        # Again after 5 s, the same one.
        if kind == "500":
            equal(there.wait(2)[0]["body"], there.requests[1]["body"],
                  "the second try")
        wait_until("one in the outbox", lambda: len(outbox(box)) == 1)
        box.p.stop()
        there.p.stop()
    equal(elsewhere.requests, [], "where the redirection leads")


def test_slow_and_endless_receivers(t):
    """Whom it takes for ever to answer costs one attempt of 15 s; a body
    without end is not read."""
    lan = Lan(t)
    boxes = []
    for i, kind in enumerate(("slow", "silent", "endless-body", "continue")):
        there = Receiver(lan, kind, port=9000 + i)
        sim = t.sim({"plugged": "no", "files": 100}, name=f"sim-{kind}")
        box = hook_box(lan, sim, name=kind, address=f"{NET}.{20 + i}/24",
                       webhook__url=f"http://{NET}.1:{9000 + i}/")
        unplugged_nights(box, sim.phone(), 1)
        boxes.append((box, there, f"{NET}.{20 + i}"))
    for box, there, address in boxes:
        there.wait()
    for box, there, address in boxes[:2]:
        box.wait_said("was not told: no answer")
        equal(len(outbox(box)), 1, "events that wait")
        box.must_answer(address)
    for box, there, address in boxes[2:]:
        wait_until("an empty outbox", lambda: not outbox(box))
        box.must_answer(address)
        equal(len(there.requests), 1, "posts")


def test_by_name(t):
    sim = t.sim({"plugged": "no", "files": 100})
    lan = Lan(t)
    lan.dnsmasq(50, 90, f"--address=/house.lan/{NET}.1", dns=53)
    there = Receiver(lan)
    box = hook_box(lan, sim, address="dhcp", webhook__secret="",
                   webhook__url="http://house.lan:8123")
    unplugged_nights(box, sim.phone(), 1)
    got = there.wait(1, 60)[0]
    equal(got["line"], "POST / HTTP/1.1", "request")
    equal(got["headers"]["host"], "house.lan:8123", "Host")
    check("x-nightstand-signature" not in got["headers"], "it is signed")


def test_what_can_be_no_webhook(t):
    conf = t.path("box.conf")
    for url, why in (("https://house/", "https:// is not possible yet"),
                     ("ftp://house/", "must begin with http://"),
                     ("http://me@house/", "must be as http://host:port/path"),
                     ("http://house:0/", "must be as"),
                     ("http:///x", "must be as")):
        conf.write_text(f"[webhook]\nurl = {url}\n")
        r = t.nightstand("run", "--config", conf, ok=False)
        check(r.returncode != 0 and f"{conf}:2: key webhook.url: {why}" in
              r.stderr, f"{url}: {r.stderr}")
