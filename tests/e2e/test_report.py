"""The report that an owner saves and sends to whoever helps."""

import os

from harness import check, equal, wait_until
from test_box import Box
from test_jail import role_pid
from test_pin import Browser, pin_of


def test_a_report_names_nobody(t):
    sim = t.sim({"name": "Ana Maria"})
    phone = sim.phone()
    box = Box(t, sim, mqtt__password="a secret")
    box.wait_state("safe", phone=phone)
    b = Browser(box)
    equal(b.send("/report")[0], 401, "without a session")
    pin = pin_of(t, box)
    b.sign_in(pin)
    equal(b.send("/report")[0], 503, "nobody has asked for one")
    equal(b.do("report")[0], 200, "asked")
    text = wait_until("the report", lambda: next(
        (body for code, body in [b.send("/report")] if code == 200), None))
    for part in ("Nightstand 0.", "== status ==", '"state":"safe"',
                 "== config ==", "overdue_days = 3", "backup is safe",
                 "== log of the page =="):
        check(part in text, f"it lacks {part}")
    for secret in ("Ana Maria", phone.udid, pin, "a secret"):
        check(secret not in text, f"it tells {secret}")
    # By the button: a form, and the way to the file.
    code, _ = b.send("/do", csrf=b.csrf(), action="report")
    equal(code, 303, "the form")
    check('value="report"' in b.send("/")[1], "there is no button")


def test_a_part_that_dies_leaves_its_last_words(t):
    box = Box(t, t.sim({"plugged": "no"}))
    os.kill(int(role_pid(box, "web").name), 9)
    wait_until("the page again", box.is_up, 30)
    wait_until("the restart is told",
               lambda: (box.status() or {"box": {}})["box"].get(
                   "restarts") == 1)
    b = Browser(box)
    b.sign_in(pin_of(t, box))
    b.do("report")
    text = wait_until("the report", lambda: next(
        (body for code, body in [b.send("/report")] if code == 200), None))
    check("the part web ended: signal 9" in text, text[-2000:])


def test_the_log_outlives_a_reset(t):
    """As in the image: a part crashes, its last words go to the state folder; after
    the next start of the machine (whose first process renames them) the report has them."""
    notices = t.path("notices")
    notices.write_text("")
    box = Box(t, t.sim({"plugged": "no"}), box__notices=str(notices))
    os.kill(int(role_pid(box, "web").name), 9)
    state = t.path("state")
    tail = state / "log.tail"
    wait_until("the tail", tail.exists, 30)
    words = tail.read_text()
    check("the part web ended: signal 9" in words, words[-2000:])
    equal(tail.stat().st_mode & 0o777, 0o600, "who may read it")
    check(len(words) < 24 * 1024, f"{len(words)} bytes")
    tail.rename(state / "log.before")
    wait_until("the page again", box.is_up, 30)
    b = Browser(box)
    b.sign_in(pin_of(t, box))
    b.do("report")
    text = wait_until("the report", lambda: next(
        (body for code, body in [b.send("/report")] if code == 200), None))
    before = text.split("== log of the run before ==")[1].split("== log of the page ==")[0]
    check("the part web ended: signal 9" in before, before)
