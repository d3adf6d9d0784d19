"""What is left of the rights of the page, of sessions, scrub and watch, seen from
outside; tests/unit/test_jail.c and test_role_jail.c try it from within."""

import os
import pathlib
import re
import signal
import socket
import threading

import harness
from harness import check, equal, wait_until
from test_box import Box, free_port
from test_pin import Browser, pin_of
from test_scrub import grow_a_file

OPENS_ALL = 1 << 1  # CAP_DAC_OVERRIDE


def role_pid(box, role):
    """The box's child of that role."""
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (p / "cmdline").read_bytes().split(b"\0")
            parent = (p / "stat").read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if int(parent) == box.p.p.pid and role.encode() in line:
            return p
    return None


def facts(pid):
    return dict(line.split(":\t", 1) for line in
                (pid / "status").read_text().splitlines() if ":\t" in line)


def test_the_page_has_no_rights(t):
    box = Box(t, t.sim({"plugged": "no"}))
    pid = role_pid(box, "web")
    check(pid, "the page's process is not found")
    f = facts(pid)
    equal(f["NoNewPrivs"].strip(), "1", "NoNewPrivs")
    if os.geteuid() == 0:
        for key in ("Uid", "Gid"):
            check("0" not in f[key].split(), f"{key}: {f[key]}")
        for key in ("CapEff", "CapPrm"):
            equal(int(f[key], 16), 0, key)
    if not harness.SAN:
        equal(f["Seccomp"].strip(), "2", "Seccomp")
    names = [os.readlink(fd) for fd in (pid / "fd").iterdir()]
    files = [n for n in names if n.startswith("/") and
             not n.startswith(("/dev/null", "/dev/net/tun")) and
             str(t.dir) not in n]
    check(not files, f"files that it holds: {files}")


def test_a_page_that_ends_is_started_again(t):
    box = Box(t, t.sim({"plugged": "no"}))
    pid = role_pid(box, "web")
    os.kill(int(pid.name), 9)
    wait_until("another one", lambda: (role_pid(box, "web") or pid) != pid)
    wait_until("the page", box.status, 20)


def test_a_part_that_hangs_is_started_again(t):
    """Its process is there and does nothing: it has not said for a minute that its
    loop goes round."""
    box = Box(t, t.sim({"plugged": "no"}))
    box.wait_state("ready")
    pid = role_pid(box, "web")
    # It has said so once, and is watched since.
    wait_until("another thing to do", lambda: box.status()["now"], 5)
    os.kill(int(pid.name), signal.SIGSTOP)
    wait_until("the word of it", lambda: "the part web does not answer any more" in
               box.p.err, 90)
    wait_until("the page", box.status, 30)
    check(role_pid(box, "web") != pid, "it is the same one")


test_a_part_that_hangs_is_started_again.slow = 65


# --- who speaks to phones, and the vault -----------------------------------------

def has_only(t, pid, caps, allowed):
    """Not root but in files, these rights, limited calls, and no file outside."""
    f = facts(pid)
    equal(f["NoNewPrivs"].strip(), "1", "NoNewPrivs")
    if os.geteuid() == 0:
        for key in ("Uid", "Gid"):
            ids = f[key].split()
            check("0" not in ids[:3], f"{key}: {ids}")
            equal(ids[3], "0", f"{key} in files")
        for key in ("CapEff", "CapPrm"):
            equal(int(f[key], 16), caps, key)
        equal(f["Groups"].split(), [], "Groups")
    if not harness.SAN:
        equal(f["Seccomp"].strip(), "2", "Seccomp")
    held = [os.readlink(fd) for fd in (pid / "fd").iterdir()]
    wrong = [n for n in held if n.startswith("/") and not n.startswith(
        ("/dev/null", "/memfd:", str(t.path("box.err")), *map(str, allowed)))]
    check(not wrong, f"files that it holds: {wrong}")


def waiting_session(t, **options):
    """A box whose session waits for the passcode, and that session."""
    sim = t.sim({"plugged": "no", **options})
    phone = sim.phone()
    phone.ctl("passcode", "entered", 20000)
    box = Box(t, sim)
    phone.ctl("plug")
    box.wait_state("wants_passcode", phone=phone)
    return box, phone, role_pid(box, "session")


def test_a_session_has_few_rights(t):
    box, phone, pid = waiting_session(t)
    has_only(t, pid, OPENS_ALL, [box.vault])
    # The report names it, with the others.
    b = Browser(box)
    b.sign_in(pin_of(t, box))
    b.do("report")
    text = wait_until("the report", lambda: next(
        (body for code, body in [b.send("/report")] if code == 200), None))
    parts = text.split("== parts ==\n")[1].split("\n\n")[0].splitlines()
    equal({line.split()[0] for line in parts},
          {"box", "web", "usbmux", "session"}, f"{parts}")
    line = next(p for p in parts if p.startswith("session "))
    check(f"pid={pid.name} " in line, line)
    if os.geteuid() == 0:
        check(re.search(r" uid=(\d+),\1,\1,0 caps=2 ", line), line)
    # What it makes belongs to whom the box belongs to.
    box.wait_state("safe", 60, phone=phone)
    wait_until("its last work", lambda: not role_pid(box, "session"))
    owners = {p.stat().st_uid for p in box.vault.rglob("*")}
    equal(owners, {os.geteuid()}, "owners of what is in the vault")
    copies = wait_until("the copy of the catalogue", lambda: list(
        t.path("state").glob("catalogs/*.catalog.db")))
    equal(len(copies), 1, "copies")


def test_a_session_ends_with_its_box(t):
    """Another user's process is not told of that unless it asks anew."""
    box, _, pid = waiting_session(t)
    os.kill(box.p.p.pid, signal.SIGKILL)
    wait_until("its end", lambda: not pid.exists() or
               facts(pid)["State"].startswith("Z"), 5)


def test_a_watch_has_no_rights(t):
    # Where anybody may pass, it would be as anybody is; other tests open the way.
    t.dir.chmod(0o700)
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    phone.ctl("passcode", "ignored", 300)
    box = Box(t, sim, policy__quiet_from="00:00", policy__quiet_to="00:00")
    phone.ctl("plug")
    box.wait_state("passcode_missed", phone=phone)
    pid = wait_until("the watch", lambda: role_pid(box, "watch"))
    if os.geteuid() == 0:
        wait_until("its folder", lambda: os.readlink(pid / "root") == str(t.dir))
        wait_until("its user", lambda: facts(pid)["CapPrm"].strip("0\n") == "")
    if not harness.SAN:
        wait_until("its jail", lambda: facts(pid)["Seccomp"].strip() == "2")
    has_only(t, pid, 0, [])


def reads_in(pid, folder):
    for fd in (pid / "fd").iterdir():
        try:
            if str(folder) in os.readlink(fd):
                return True
        except FileNotFoundError:
            pass  # closed meanwhile
    return False


def test_a_scrub_has_few_rights(t):
    sim = t.sim({"files": 40, "bytes": "1M"})
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    grow_a_file(t, box, phone)
    pid = wait_until("the scrub", lambda: role_pid(box, "scrub"), 60)
    wait_until("its reading", lambda: reads_in(pid, box.vault))
    has_only(t, pid, OPENS_ALL, [box.vault])


def test_a_vault_of_another_user_goes_on(t):
    """Made on somebody's PC, and by them only to be read: the box writes the next
    nights, and anybody of root reads all of it."""
    t.needs_root()
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim)

    def night(number):
        phone.ctl("plug")
        wait_until(f"night {number}", lambda: [
            n["state"] for n in box.status()["nights"]].count("safe") == number)
        wait_until("its last work", lambda: not role_pid(box, "session"))
        phone.ctl("unplug")

    for number in (1, 2):
        night(number)
        phone.ctl("mutate", "change=10", "add=5", f"seed={number}")
        for p in [box.vault, *box.vault.rglob("*")]:
            os.chown(p, 1234, 1234)
            os.chmod(p, 0o700 if p.is_dir() else 0o600)
    night(3)
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())
    t.nightstand("verify", "--vault", box.vault)
    t.nightstand("scrub", "--vault", box.vault)


def test_an_ordinary_user_backs_up(t):
    """On a PC, without root: the same jail but for the user."""
    t.needs_root()  # to become one
    sim = t.sim()
    vault = t.path("disk")
    vault.mkdir()
    os.chown(vault, 1234, 1234)
    os.chmod(t.dir.parent, 0o711)
    args = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]
    log = ["--log", "info"]
    for state in ((), ("--state", vault / "state")):
        r = t.run(*args, harness.NIGHTSTAND, "backup", "--vault", vault, *state,
                  *log, env=sim.env)
        check("jail user=0 files=1" in r.stderr, r.stderr)
    t.compare_plain(t.latest(vault, sim.phone()), sim.phone().hashes())
    equal({p.stat().st_uid for p in vault.rglob("*")}, {1234}, "owners")


def test_phones_that_are_reached_over_tcp(t):
    """USBMUXD_SOCKET_ADDRESS may name a host."""
    sim = t.sim()
    port = free_port()
    server = socket.create_server(("127.0.0.1", port))

    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve():
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(sim.socket))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    t.cleanups.append(server.close)
    vault = t.path("disk")
    vault.mkdir()
    for host in ("127.0.0.1", "localhost"):
        t.nightstand("backup", "--vault", vault, "--udid", sim.phone().udid,
                     env={"USBMUXD_SOCKET_ADDRESS": f"{host}:{port}"})
    t.compare_plain(t.latest(vault, sim.phone()), sim.phone().hashes())
