"""The page in a real Chromium, as its owner has it before them."""

import functools
import os
import pathlib

import test_upload
from harness import check, equal, wait_until
from page import Page, axe_source
from test_box import Box, free_port
from test_pin import pin_of
from webdriver import equal_soon, find_programs

IN_TURN = True  # never two browsers at a time


def with_browser(seconds, axe=False):
    """Skips before anything is started; about how long it takes."""
    def mark(fn):
        @functools.wraps(fn)
        def test(t):
            find_programs(t)
            if axe:
                axe_source(t)
            fn(t)
        test.slow = seconds
        return test
    return mark


def order_of(told, key):
    """The values in turn, each run of equal ones once."""
    out = []
    for now in told:
        if not out or out[-1] != now[key]:
            out.append(now[key])
    return out


def comes_in_turn(got, wanted, what):
    at = 0
    for value in got:
        if at < len(wanted) and value == wanted[at]:
            at += 1
    check(at == len(wanted), f"{what}: wanted {wanted} in turn, got {got}")


def state_of(page):
    return page.attribute("#live", "data-state")


# --- a night ------------------------------------------------------------------

@with_browser(6)
def test_a_whole_night_live(t):
    # So many files that checking lasts longer than the page's quarter second: what
    # they hold is read back while the phone still works.
    sim = t.sim({"name": "Ana", "plugged": "no", "files": 12000,
                 "bytes": "240M"})
    phone = sim.phone()
    phone.ctl("passcode", "wait")
    phone.ctl("set", "scan_ms", 800)
    box = Box(t, sim)
    with Page(t, box) as page:
        page.wait_live()
        page.js("window.still_the_same = true")
        page.record()
        phone.ctl("plug")
        page.wait_headline("Enter the passcode on Ana")
        for n in (100, 200, 300):
            phone.ctl("at", f"upload-file:{n}", "pause", 600)
        phone.ctl("passcode", "now", "entered")
        page.wait_headline("Everything on Ana is safe", 40)
        told = page.told()
        check(page.js("return window.still_the_same"), "it was loaded anew")
        page.check_quiet()
    night = ["ready", "wants_passcode", "preparing", "receiving", "checking",
             "safe"]
    comes_in_turn(order_of(told, "state"), night, "states")
    comes_in_turn(order_of(told, "led"),
                  ["ready", "look", "backing_up", "safe"], "the light")
    # The first state is not announced: who opens the page reads it.
    said = [s.split(".")[0] for s in order_of(told, "said") if s]
    comes_in_turn(said, ["Enter the passcode on Ana",
                         "Ana is getting its backup ready",
                         "Checking what arrived",
                         "Everything on Ana is safe"],
                  "what a screen reader is told")
    # A state is announced once, not with each percent.
    equal(len(said), len(order_of(told[1:], "state")), "announcements")
    shown = [int(n["progress"]) for n in told
             if n["state"] == "receiving" and n["progress"] is not None]
    equal(shown, sorted(shown), "the progress")
    check(len(set(shown)) >= 3, f"the progress stands still: {shown}")
    for now in told:
        equal(now["title"], now["headline"] + " · Nightstand", "the title")
        steady = now["led"] == "safe"
        equal(now["shines"], "none" if steady else "led-" + now["led"],
              "the rhythm of the light")


@with_browser(5)
def test_a_lost_connection_is_shown_and_recovers(t):
    sim = t.sim({"name": "Ana", "plugged": "no"})
    box = Box(t, sim)
    with Page(t, box) as page:
        page.wait_live()
        page.js("window.still_the_same = true")
        box.p.stop()
        equal_soon("words", lambda: page.text("#conn"),
                   "Connection lost, trying again")
        equal_soon("the title", page.title, "Connection lost · Nightstand")
        equal(page.js("return getComputedStyle(document.querySelector("
                      "'.hero .led i')).visibility"), "hidden",
              "the light, which nobody knows now")
        box.start()
        page.wait_live()
        equal_soon("the title", page.title, "Ready · Nightstand")
        check(not page.there(".stale"), "still pale")
        sim.phone().ctl("plug")
        page.wait_headline("Everything on Ana is safe")
        check(page.js("return window.still_the_same"), "it was loaded anew")


# --- with the PIN -------------------------------------------------------------

@with_browser(5)
def test_back_up_now_and_stop_with_the_pin(t):
    sim = t.sim({"name": "Ana", "bytes": "8M", "files": 300})
    phone = sim.phone()
    box = Box(t, sim, policy__again_hours=0, web__open="glance")
    wait_until("a night", lambda: box.nights("safe") == 1, 30)
    with Page(t, box) as page:
        check("Ana" not in page.text("main"), "a glance names the phone")
        page.submit("a[href='/login']")
        page.sign_in(pin_of(t, box))
        equal(page.text("h3"), "Ana", "the owner's card")
        phone.ctl("mutate", "change=200", "seed=5")
        phone.ctl("at", "upload-file:50", "pause", 20000)
        page.submit("button[value=backup]")
        equal_soon("the backup", lambda: state_of(page), "receiving", 20)
        page.submit("button[value=stop]")
        equal_soon("its end", lambda: state_of(page), "stopped", 20)
        equal(box.nights("safe"), 1, "good nights")
        equal_soon("the button", lambda: page.there("button[value=backup]"),
                   True)
        page.submit(".sign form button")
        equal_soon("a glance again", lambda: page.there("a[href='/login']"),
                   True)
        check("Ana" not in page.text("main"), "a name after signing out")
        page.check_quiet()


@with_browser(4)
def test_a_wrong_pin_is_refused_with_words_and_slowed(t):
    box = Box(t, t.sim({"plugged": "no"}))
    pin = pin_of(t, box)
    wrong = "0" * 6 if pin != "0" * 6 else "1" * 6
    with Page(t, box, "/login") as page:
        for _ in range(3):
            page.type("#pin", wrong)
            page.submit("form button")
            check("That is not the PIN." in page.text(".said"),
                  page.text(".said"))
            equal(page.attribute(".said", "role"), "alert", "role")
            equal(page.js("return document.activeElement.id"), "pin", "focus")
            equal(page.js("return document.activeElement.value"), "",
                  "what is left in the field")
        page.type("#pin", pin)
        page.submit("form button")
        check("too many wrong tries" in page.text(".said"), page.text(".said"))
        check(wrong not in page.js("return document.documentElement.outerHTML"),
              "the try stands on the page")

        def let_in():
            if page.there("#pin"):
                page.type("#pin", pin)
                page.submit("form button")
            return page.there(".sign form")
        equal_soon("the owner's page", let_in, True, 12)


# --- no JavaScript ------------------------------------------------------------

@with_browser(6)
def test_all_of_it_works_without_javascript(t):
    sim = t.sim({"name": "Ana", "plugged": "no", "bytes": "8M",
                 "files": 300})
    phone = sim.phone()
    box = Box(t, sim, policy__again_hours=0)
    pin = pin_of(t, box)
    with Page(t, box) as page:
        page.without_script()
        page.go()
        equal(page.text("h1"), "Ready", "the headline")
        equal(page.text("#conn"), "", "no live connection is claimed")
        every = page.attribute("noscript meta[http-equiv=refresh]", "content")
        phone.ctl("plug")
        # Nobody presses anything: the page loads itself again.
        page.wait_headline("Everything on Ana is safe", int(every) + 10)
        page.submit("a[href='/login']")
        page.type("#pin", "000000" if pin != "000000" else "111111")
        page.submit("form button")
        check("That is not the PIN" in page.text(".said"), "no words")
        page.type("#pin", pin)
        page.submit("form button")
        phone.ctl("mutate", "change=200", "seed=5")
        phone.ctl("at", "upload-file:50", "pause", 20000)
        page.submit("button[value=backup]")
        box.wait_state("receiving")
        page.go()
        page.submit("button[value=stop]")
        box.wait_state("stopped", phone=phone)
        page.go()
        check("was stopped" in page.text("main"), page.text("main"))
        page.click(".legend summary")
        check("slow breathing" in page.text(".legend"), "the legend is shut")
        page.submit(".sign form button")
        check(page.there("a[href='/login']"), "still signed in")
        live = [p["request"]["url"] for m, p in page.network()
                if m == "Network.requestWillBeSent"
                and p["request"]["url"].endswith("/live")]
        # Only the first page, which still had its script.
        check(len(live) <= 1, f"a script ran: {live}")


# --- how it looks -------------------------------------------------------------

# The box's states that are looked at, and how a phone gets it there.
def be_safe(t, sim, phone, box):
    box.wait_state("safe")


def be_asked(t, sim, phone, box):
    phone.ctl("unplug")
    phone.ctl("passcode", "wait")
    phone.ctl("mutate", "change=5", "seed=2")
    phone.ctl("plug")
    box.wait_state("wants_passcode")


def be_receiving(t, sim, phone, box):
    phone.ctl("passcode", "now", "entered")
    phone.ctl("at", "upload-file:3", "pause", 30000)
    box.wait_state("receiving")


def be_failed(t, sim, phone, box):
    phone.ctl("unplug")
    phone.ctl("at", "clear")
    phone.ctl("passcode", "entered", 0)
    phone.ctl("at", "scan", "error", 3)
    phone.ctl("plug")
    box.wait_state("phone_failed")


STATES = (("safe", be_safe), ("wants_passcode", be_asked),
          ("receiving", be_receiving), ("phone_failed", be_failed))


def a_full_house(t):
    """A box with a phone that has been backed up and one that is away."""
    sim = t.sim({"name": "Ana's iPhone", "seed": 1},
                {"name": "Grandmother's old iPhone in the living-room",
                 "seed": 2, "model": "iPhone10,4"})
    box = Box(t, sim, policy__again_hours=0, web__open="glance")
    phone, other = sim.phones()
    wait_until("two nights", lambda: box.nights("safe") == 2, 30)
    other.ctl("unplug")
    for night, more in ((3, 30), (4, 5)):  # sizes, for the chart
        phone.ctl("unplug")
        phone.ctl("mutate", f"add={more}", f"seed={night}")
        phone.ctl("plug")
        wait_until("one more night", lambda: box.nights("safe") == night, 30)
    return sim, phone, box


def each_look(page):
    """(name, is it narrow, is it dark), with the page made so."""
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            page.size(width)
            page.scheme(scheme)
            yield f"{'narrow' if width < 600 else 'wide'}-{scheme}"


def picture(page, name):
    """For who wants to look: make screenshots."""
    folder = os.environ.get("NIGHTSTAND_PICTURES")
    if folder:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        page.picture(pathlib.Path(folder) / f"{name}.png")


@with_browser(12)
def test_nothing_is_cut_narrow_or_wide(t):
    sim, phone, box = a_full_house(t)
    with Page(t, box, "/login") as page:
        for look in each_look(page):
            page.check_fits(f"login, {look}")
            picture(page, f"login-{look}")
        for view in ("glance", "owner"):
            if view == "owner":
                page.sign_in(pin_of(t, box))
            page.go()
            page.wait_live()
            check(page.there(".chart polyline"), "no chart")
            for look in each_look(page):
                page.check_fits(f"{view}, {look}")
                picture(page, f"{view}-{look}")
            page.open_all()
            for look in each_look(page):
                page.check_fits(f"{view} unfolded, {look}")
            picture(page, f"{view}-unfolded-{look}")
        for name, become in STATES[1:]:
            become(t, sim, phone, box)
            equal_soon(name, lambda: state_of(page), name)
            for look in each_look(page):
                page.check_fits(f"{name}, {look}")
                picture(page, f"{name}-{look}")


# --- who can't see it well, or has no mouse -----------------------------------

def axe_both(page, where):
    """All rules in the light; what the dark changes is contrast."""
    page.open_all()
    page.scheme("light")
    page.axe(where)
    page.scheme("dark")
    page.axe(f"{where}, dark", ["color-contrast"])


@with_browser(14, axe=True)
def test_axe_finds_nothing_serious(t):
    sim, phone, box = a_full_house(t)
    with Page(t, box, "/login") as page:
        axe_both(page, "login")
        page.type("#pin", "wrong")
        page.submit("form button")
        axe_both(page, "a wrong PIN")
        page.go()
        axe_both(page, "glance")
        page.sign_in(pin_of(t, box))
        page.wait_live()
        for name, become in STATES:
            become(t, sim, phone, box)
            equal_soon(name, lambda: state_of(page), name)
            axe_both(page, name)


@with_browser(4, axe=True)
def test_axe_finds_nothing_serious_without_disk_or_box(t):
    box = Box(t, t.sim({"plugged": "no"}), box__vault=t.path("not mounted"))
    box.wait_state("no_disk")
    with Page(t, box) as page:
        axe_both(page, "no_disk")
        page.check_fits("no_disk")
        picture(page, "no_disk-wide-dark")
        page.check_quiet()
        box.p.stop()
        equal_soon("words", lambda: page.there(".stale"), True)
        axe_both(page, "connection lost")
        picture(page, "lost-wide-dark")


@with_browser(4)
def test_a_keyboard_reaches_all_in_the_order_of_the_eye(t):
    sim, phone, box = a_full_house(t)
    with Page(t, box) as page:
        page.sign_in(pin_of(t, box))
        page.wait_live()
        page.open_all()
        page.size(360)  # one column: down is onwards
        wanted = page.reachable()
        way = page.walk()
        equal([at["name"] for at in way], wanted, "what Tab reaches")
        check(len(way) >= 6, f"so little can be pressed: {wanted}")
        for at in way:
            check(at["ring"] >= 2, f"no ring around {at['name']}")
            check(at["height"] >= 24, f"small to hit: {at}")
        for a, b in zip(way, way[1:]):
            check(b["top"] + b["height"] > a["top"],
                  f"Tab goes up from {a['name']} to {b['name']}")


@with_browser(4)
def test_focus_and_what_was_opened_survive_live_updates(t):
    sim = t.sim({"name": "Ana", "plugged": "no"},
                {"name": "Ben", "plugged": "no", "seed": 9})
    box = Box(t, sim)
    with Page(t, box) as page:
        page.sign_in(pin_of(t, box))
        page.wait_live()
        page.click(".legend summary")
        page.js("document.querySelector('button[value=eject]').focus()")
        page.record()
        sim.phones()[0].ctl("plug")
        page.wait_headline("Everything on Ana is safe")
        equal_soon("the night's line", lambda: page.there(".nights li"), True)
        check(len(page.told()) > 2, "nothing has changed meanwhile")
        equal(page.js("return document.activeElement.value"), "eject",
              "what has the focus")
        check(page.js("return document.querySelector('.legend').open"),
              "the legend was shut")
        # Another phone has sections of its own, above what is in use.
        sections = page.js("return document.querySelectorAll('#live section').length")
        sim.phones()[1].ctl("plug")
        equal_soon("more sections", lambda: page.js(
            "return document.querySelectorAll('#live section').length") > sections, True)
        equal(page.js("return document.activeElement.value"), "eject",
              "what has the focus still")


# --- settings --------------------------------------------------------------------

@with_browser(12, axe=True)
def test_settings_stand_on_their_own_page(t):
    box = Box(t, t.sim({"name": "Ana", "plugged": "no"}))
    with Page(t, box) as page:
        page.sign_in(pin_of(t, box))
        page.wait_live()
        page.click(".sign a")
        equal_soon("its page", lambda: page.text("h1"), "Settings")
        axe_both(page, "settings")
        for look in each_look(page):
            page.check_fits(f"settings, {look}")
            picture(page, f"settings-{look}")
        page.check_quiet()
        # What a browser lets through and the box does not take.
        page.js("document.querySelector('[name=\"keep.daily\"]').value = '77';"
                "document.querySelector('[name=\"box.name\"]').value ="
                " 'attic ; 2'")
        page.submit(".settings form .main")
        check("Nothing was changed" in page.text("[role=alert]"), "no words")
        equal(page.js("return document.activeElement.name"), "box.name",
              "where the cursor stands")
        equal(page.js("return document.querySelector("
                      "'[name=\"keep.daily\"]').value"), "77", "what was typed")
        check("semicolon" in page.text("#" + page.attribute(
            "[name='box.name']", "aria-describedby").split()[0]), "no reason")
        loud = [m["message"] for m in page.log("browser")
                if m["level"] == "SEVERE"]
        check(len(loud) == 1 and "400" in loud[0], f"the console says: {loud}")
        axe_both(page, "a wrong setting")
        for look in each_look(page):
            page.check_fits(f"a wrong setting, {look}")
            picture(page, f"settings-wrong-{look}")
        page.js("document.querySelector('[name=\"box.name\"]').value ="
                " 'nightstand'")
        page.submit(".settings form .main")
        equal_soon("words", lambda: page.text(".said.kept"),
                   "These are kept.")
        axe_both(page, "settings, kept")
        picture(page, "settings-kept")
        page.js("location.reload()")
        equal_soon("the setting", lambda: page.js(
            "return document.querySelector('[name=\"keep.daily\"]').value"),
            "77")
        page.go("/")
        page.wait_live()
        equal(page.there("[value=eject]"), True, "the button")
        for look in each_look(page):
            page.check_fits(f"owner, {look}")
            picture(page, f"owner-disk-{look}")
        page.submit("[value=eject]")
        # A folder of this computer, which has to eject it, too.
        page.wait_headline("Do not unplug the disk yet")
        axe_both(page, "held")
        picture(page, "held")
        page.submit("[value=use_disk]")
        page.wait_headline("Ready")
        page.check_quiet()


# --- HTTPS ---------------------------------------------------------------------

@with_browser(6)
def test_over_https_as_well(t):
    sim = t.sim({"name": "Ana"})
    phone = sim.phone()
    port = free_port()
    box = Box(t, sim, policy__again_hours=0, web__open="glance",
              web__tls_port=port)
    wait_until("a night", lambda: box.nights("safe") == 1, 30)
    with Page(t, box, origin=f"https://127.0.0.1:{port}") as page:
        check("Ana" not in page.text("main"), "a glance names the phone")
        page.sign_in(pin_of(t, box))
        page.wait_live()
        cookie = page.ask("/cookie")[0]
        equal([cookie[k] for k in ("secure", "httpOnly", "sameSite")],
              [True, True, "Strict"], "the cookie")
        phone.ctl("mutate", "change=50", "seed=5")
        page.submit("button[value=backup]")
        wait_until("another night", lambda: box.nights("safe") == 2, 30)
        equal_soon("the page", lambda: state_of(page), "safe", 20)
        check(box.status()["box"]["certificate_sha256"] in
              page.js("return document.body.textContent"), "no fingerprint")
        page.check_quiet()


# --- the backup password -------------------------------------------------------

@with_browser(12, axe=True)
def test_a_backup_password_is_set_on_its_own_page(t):
    sim = t.sim({"name": "Ana"})
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    with Page(t, box) as page:
        page.sign_in(pin_of(t, box))
        page.wait_live()
        check("not in this backup" in page.text(".hint"), "no hint")
        page.click(".hint a")
        equal_soon("its page", lambda: page.text("h1"), "The backup password")
        axe_both(page, "password, off")
        for look in each_look(page):
            page.check_fits(f"password, {look}")
            picture(page, f"password-{look}")
        page.type("input[name=new]", "Größe 7 & 8")
        page.type("input[name=again]", "Größe 7 & 8")
        page.submit("button.main")
        equal_soon("the page", lambda: page.there(".hero"), True)
        wait_until("the encrypted night", lambda: box.nights("safe") == 2, 40)
        page.go("/password")
        axe_both(page, "password, on")
        for look in each_look(page):
            page.check_fits(f"password on, {look}")
            picture(page, f"password-on-{look}")
        page.type("form input[name=old]", "wrong")
        page.type("input[name=new]", "x")
        page.type("input[name=again]", "x")
        page.submit("button.main")
        page.wait_headline("The backup password of Ana was not changed: that "
                           "is not the one it has now")
        picture(page, "password-wrong")
        page.check_quiet()
    equal(phone.status()["encrypted"], True, "encryption")


# --- an update -------------------------------------------------------------------

def send_file(page, path):
    page.type("#file", str(path))
    page.submit("form[action='/update'] button")


@with_browser(14, axe=True)
def test_an_update_is_sent_with_and_without_javascript(t):
    box = test_upload.CardBox(t)
    good, parts = test_upload.make(t, 3 << 20)
    other, _ = test_upload.make(t, name="other.update", board="rpi-arm64")
    large = t.path("large")
    with open(large, "wb") as f:
        f.truncate(200 << 20)
    pin = pin_of(t, box)
    with Page(t, box, origin=f"https://127.0.0.1:{box.tls_port}") as page:
        page.sign_in(pin)
        page.wait_live()
        page.click("a[href='/update']")
        equal_soon("its page", lambda: page.text("h1"), "Update")
        axe_both(page, "update")
        for look in each_look(page):
            page.check_fits(f"update, {look}")
            picture(page, f"update-{look}")
        page.check_quiet()
        send_file(page, other)
        check("another kind of box" in page.text("[role=alert]"), "no words")
        axe_both(page, "update, not taken")
        picture(page, "update-not-taken")
        # Refused while most of it is not sent: the words are seen all the same.
        send_file(page, large)
        check("48 MiB at most" in page.text("[role=alert]"), "no words")
        send_file(page, good)
        equal_soon("words", lambda: "has arrived" in page.text(".said.kept"),
                   True)
        test_upload.is_whole(box, parts)
        axe_both(page, "update, arrived")
        for look in each_look(page):
            page.check_fits(f"update, arrived, {look}")
            picture(page, f"update-arrived-{look}")
        page.without_script()
        page.go("/settings")
        send_file(page, good)
        equal_soon("words", lambda: "has arrived" in page.text(".said.kept"),
                   True)
        page.type("#upd", pin)
        page.submit("[value=update]")
        wait_until("the note", lambda: "#try=ready" in box.noted(), 20)
