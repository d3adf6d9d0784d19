"""What an owner sets on the page: it holds, it outlives a restart, and what
makes no sense changes nothing."""

import json

from harness import check, equal, wait_until
from test_box import Box
from test_pin import Browser, pin_of


def owner_of(t, box):
    b = Browser(box)
    equal(b.sign_in(pin_of(t, box)), 200, "signing in")
    return b


def values(b):
    code, body = b.send("/api/settings")
    equal(code, 200, body[:200])
    return {s["key"]: s["value"] for s in json.loads(body)["settings"]}


def save(b, path="/api/settings", csrf=None, **fields):
    return b.send(path, csrf=b.csrf() if csrf is None else csrf,
                  **{k.replace("__", "."): v for k, v in fields.items()})


def test_settings_hold_and_outlive_a_restart(t):
    box = Box(t, t.sim({"plugged": "no"}), keep__daily=9)
    b = owner_of(t, box)
    equal(values(b)["keep.daily"], "9", "the config's")
    code, body = save(b, keep__daily=21, policy__quiet_from="22:15")
    equal(code, 200, body)
    equal(values(b)["keep.daily"], "21", "at once")
    kept = t.path("state") / "settings.ini"
    wait_until("the file", kept.exists)
    check("daily = 21" in kept.read_text(), kept.read_text())
    out = t.nightstand("run", "--config", box.conf, "--print-config").stdout
    check("daily = 21" in out and "quiet_from = 22:15" in out, out)
    # What was not changed on the page is still the config file's to say.
    box.p.stop()
    box.conf.write_text(box.conf.read_text() + "[keep]\nweekly = 33\n")
    box.start()
    b = owner_of(t, box)
    equal(values(b)["keep.daily"], "21", "after a restart")
    equal(values(b)["keep.weekly"], "33", "the config's")
    # A line that makes no sense costs only itself.
    box.p.stop()
    kept.write_text("[keep]\ndaily = lots\n[policy]\noverdue_days = 5\n")
    box.start()
    b = owner_of(t, box)
    equal(values(b)["keep.daily"], "9", "the config's again")
    equal(values(b)["policy.overdue_days"], "5", "the good line")
    check("settings.ini" in box.p.err, "nothing was said of the bad line")


def test_what_cannot_be_stored_is_told(t):
    box = Box(t, t.sim({"plugged": "no"}))
    b = owner_of(t, box)
    box.wait_state("ready")
    kept = t.path("state") / "settings.ini"
    kept.mkdir()
    equal(save(b, keep__daily=21)[0], 200, "saved")
    st = box.wait_state("box_notice")
    check("until the next start only" in st["headline"] + st["sentence"], st)
    equal(values(b)["keep.daily"], "21", "all the same")
    kept.rmdir()
    equal(save(b, keep__daily=22)[0], 200, "saved")
    box.wait_state("ready")
    check("daily = 22" in kept.read_text(), kept.read_text())


def test_what_makes_no_sense_changes_nothing(t):
    box = Box(t, t.sim({"plugged": "no"}))
    equal(Browser(box).send("/api/settings")[0], 401, "without a session")
    code, page = Browser(box).send("/settings")
    equal(code, 401, "without a session")
    check('action="/login"' in page, "no way to sign in")
    b = owner_of(t, box)
    before = values(b)
    equal(save(b, csrf="no", keep__daily=1)[0], 403, "without a token")
    code, body = save(b, keep__daily=1, policy__quiet_to="25:00")
    equal(code, 400, body)
    check("policy.quiet_to" in json.loads(body)["error"], body)
    # On the page: what was typed is still there, and it says which.
    code, page = save(b, "/settings", box__name="attic", keep__daily="77",
                      policy__quiet_to="noon")
    equal(code, 400, "the form")
    check('value="attic"' in page and 'value="77"' in page, "typed in vain")
    check('aria-invalid="true"' in page and "must be a time" in page, page)
    code, page = save(b, "/settings", policy__overdue_days=0,
                      box__name='"><script>alert(1)</script>')
    equal(code, 400, "a hostile name")
    check("&lt;script&gt;alert" in page, "the name is not there as typed")
    check("<script>alert" not in page, "a name is run")
    equal(save(b, box__name="two\nlines")[0], 400, "a name of two lines")
    equal(values(b), before, "settings")
    check(not (t.path("state") / "settings.ini").exists(), "it was kept")


def test_another_name_is_one_at_once(t):
    sim = t.sim({"plugged": "no"})
    box = Box(t, sim)
    b = owner_of(t, box)
    equal(save(b, "/settings", box__name="Attic")[0], 303, "the form")
    code, page = b.send("/settings/kept")
    check(code == 200 and "These are kept" in page, page)
    wait_until("the name", lambda: (box.status() or {}).get(
        "box", {}).get("name") == "Attic", 20)
    # The page's part began again, and nobody calls that a fault.
    equal(box.status()["box"]["restarts"], 0, "restarts")
    check("Attic" in box.get("/"), "the page has the old name")
    b = owner_of(t, box)
    equal(values(b)["box.name"], "Attic", "the setting")


def test_a_running_backup_is_not_disturbed(t):
    sim = t.sim({"bytes": "60M", "files": 600})
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("receiving", phone=phone)
    b = owner_of(t, box)
    equal(save(b, box__name="Attic", web__open="nothing")[0], 200, "saved")
    wait_until("the page again",
               lambda: box.p.err.count("the page: http") == 2, 20)
    code, body = Browser(box).send("/api/status")
    equal(code, 401, f"a page that tells nothing: {body[:100]}")
    b = owner_of(t, box)
    wait_until("safe", lambda: '"state":"safe"' in
               b.send("/api/status")[1], 60)
    equal(box.p.err.count("backup is safe"), 1, "backups")
    check("session ended state=safe" in box.p.err, box.p.err[-1500:])
