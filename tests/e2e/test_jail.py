"""What is left of the page's rights, seen from outside."""

import os
import pathlib
import signal

import harness
from harness import check, equal, wait_until
from test_box import Box


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
