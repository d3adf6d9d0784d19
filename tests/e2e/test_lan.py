"""The box alone on a network port: addresses, names, what it survives, and
that the kernel behind it says nothing."""

import re
import time

from harness import check, equal, wait_until
from lan import NET, Lan, LanBox


def mac_of(lan, box):
    out = lan.sh("cat", "/sys/class/net/eth0/address", ns=box.ns).stdout
    return out.strip()


def test_addresses_and_name(t):
    lan = Lan(t)
    lan.dnsmasq()
    env = lan.avahi()
    box = LanBox(lan)
    v4 = box.address()
    check(v4.startswith(f"{NET}."), v4)
    box.must_answer(v4)
    lease = t.path("leases").read_text()
    check(v4 in lease and " nightstand " in lease, f"the lease: {lease}")
    box.wait_said("the box is nightstand.local")
    equal(lan.resolve("nightstand.local", env, "-4"), v4, "IPv4 by name")
    # SLAAC: the prefix is dnsmasq's, the rest made of the MAC.
    v6 = wait_until("an address of dnsmasq's prefix", lambda: next(
        (a for a in [lan.resolve("nightstand.local", env, "-6")]
         if a and a.startswith("fd77:")), None), 30)
    box.must_answer(f"[{v6}]")
    seen = lan.sh("avahi-browse", "-rtp", "_http._tcp", env=env).stdout
    check(re.search(r";nightstand;.*;nightstand\.local;.*;80;", seen), seen)
    r = box.curl(v4, "-H", "Host: nightstand.local", "-o", "/dev/null", "-w",
                 "%{http_code}")
    equal(r.stdout, "200", "by its name")
    r = box.curl(v4, "-H", "Host: evil.example", "-o", "/dev/null", "-w",
                 "%{http_code}")
    equal(r.stdout, "421", "by another's name")


def test_link_down_and_up(t):
    lan = Lan(t)
    lan.dnsmasq()
    box = LanBox(lan)
    v4 = box.address()
    lan.sh("ip", "link", "set", box.cable, "down")
    box.wait_said("link is down")
    check(not box.answers(v4), "it answers without a cable")
    lan.sh("ip", "link", "set", box.cable, "up")
    box.wait_said("link is up")
    wait_until("the page", lambda: box.answers(v4), 20)


def test_two_boxes_have_two_names(t):
    lan = Lan(t)
    env = lan.avahi()
    first = LanBox(lan, name="first", address=f"{NET}.11/24")
    first.wait_said("the box is nightstand.local")
    second = LanBox(lan, name="second", address=f"{NET}.12/24")
    second.wait_said("the box is nightstand-2.local")
    equal(lan.resolve("nightstand.local", env, "-4"), f"{NET}.11", "first")
    equal(lan.resolve("nightstand-2.local", env, "-4"), f"{NET}.12", "second")
    r = second.curl(f"{NET}.12", "-H", "Host: nightstand-2.local", "-o",
                    "/dev/null", "-w", "%{http_code}")
    equal(r.stdout, "200", "by its new name")


def test_a_taken_address_is_declined(t):
    lan = Lan(t)
    ns, _ = lan.plug()
    lan.sh("ip", "addr", "add", f"{NET}.50/24", "dev", "eth0", ns=ns)
    lan.sh("ip", "link", "set", "eth0", "up", ns=ns)
    server = lan.dnsmasq(50, 51, "--no-ping", "--dhcp-sequential-ip")
    box = LanBox(lan)
    equal(box.address(60), f"{NET}.51", "the free one")
    check("DHCPDECLINE" in server.err, "nothing was declined")
    box.must_answer(f"{NET}.51")


def test_no_server_then_one(t):
    lan = Lan(t)
    lan.sh("ip", "addr", "add", "169.254.1.1/16", "dev", "br0")
    box = LanBox(lan)
    own = box.address(60)
    check(own.startswith("169.254."), own)
    box.must_answer(own)
    lan.dnsmasq()
    wait_until("an address of the server's",
               lambda: box.address().startswith(f"{NET}."), 60)
    box.must_answer(box.address())


test_no_server_then_one.slow = 50


def test_a_lease_is_renewed(t):
    lan = Lan(t)
    server = lan.dnsmasq()
    box = LanBox(lan)
    v4 = box.address()
    acks = server.err.count("DHCPACK")
    wait_until("a renewal", lambda: server.err.count("DHCPACK") > acks, 90, 1)
    box.must_answer(v4)


test_a_lease_is_renewed.slow = 75


def test_the_kernel_is_silent(t):
    lan = Lan(t)
    lan.dnsmasq()
    box = LanBox(lan)
    v4 = box.address()
    box.must_answer(v4)
    lan.sh("nc", "-z", "-w", "1", v4, "22", ok=False)
    equal(lan.sh("ip", "-o", "addr", "show", "dev", "eth0", ns=box.ns).stdout,
          "", "addresses of the kernel")
    text = lan.sh("cat", "/proc/net/snmp", "/proc/net/snmp6", ns=box.ns).stdout
    rows = [line.split() for line in text.splitlines()]
    counts = {r[0]: r[1] for r in rows if len(r) == 2}
    for head, row in zip(rows, rows[1:]):
        if head[0] == row[0] and len(head) == len(row) and len(head) > 2:
            counts.update({head[0] + k: v for k, v in zip(head[1:], row[1:])})
    for what in ("Ip:OutRequests", "Icmp:OutMsgs", "Tcp:OutRsts",
                 "Ip6OutRequests", "Icmp6OutMsgs"):
        equal(counts[what], "0", what)


def test_a_tap_device(t):
    """The kernel of the box's own host is at the other end."""
    lan = Lan(t)
    box = LanBox(lan, network="tap", interface="tap0", address=f"{NET}.30/24")
    wait_until("the device", lambda: lan.sh(
        "ip", "link", "set", "tap0", "up", ns=box.ns, ok=False
    ).returncode == 0)
    lan.sh("ip", "addr", "add", f"{NET}.31/24", "dev", "tap0", ns=box.ns)
    box.wait_said("the box is nightstand.local")
    r = lan.sh("curl", "-sS", "--max-time", 10, f"http://{NET}.30/", ns=box.ns)
    check("<html" in r.stdout, r.stdout[:200])


def test_hostile_frames_cost_nothing(t):
    lan = Lan(t)
    box = LanBox(lan, address=f"{NET}.20/24")
    box.wait_said("the box is nightstand.local")
    mac = mac_of(lan, box)
    for what in ("runts", "tcp-options", "nd-options", "vlan"):
        sent = int(lan.python("frames.py", "br0", mac, f"{NET}.20", what))
        check(sent > 10, f"{what}: {sent} frames")
        box.must_answer(f"{NET}.20")
    equal(box.p.err.count("child started role=web"), 1, "starts of the page")


def test_half_open_connections_are_reaped(t):
    lan = Lan(t)
    box = LanBox(lan, address=f"{NET}.20/24")
    box.wait_said("the box is nightstand.local")
    box.must_answer(f"{NET}.20")
    lan.python("frames.py", "br0", mac_of(lan, box), f"{NET}.20", "syns")
    start = time.monotonic()
    wait_until("the page", lambda: box.answers(f"{NET}.20"), 15)
    check(time.monotonic() - start < 8, "400 half-open ones held up the page")


MANY = """
import socket, sys, time
address, n = sys.argv[1], int(sys.argv[2])
all_ = []
for _ in range(n):
    s = socket.create_connection((address, 80), 10)
    s.setblocking(False)
    all_.append(s)
    time.sleep(0.02)
time.sleep(0.5)
def lives(s):
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
print(*[i for i, s in enumerate(all_) if lives(s)])
"""


def test_one_address_gets_sixteen_places(t):
    lan = Lan(t)
    box = LanBox(lan, address=f"{NET}.20/24")
    box.wait_said("the box is nightstand.local")
    out = lan.sh("python3", "-c", MANY, f"{NET}.20", 24).stdout
    equal(out.split(), [str(i) for i in range(8, 24)], "who is still there")
    box.must_answer(f"{NET}.20")


def test_a_night_with_the_page_on_the_lan(t):
    sim = t.sim({"plugged": "no"})
    lan = Lan(t)
    box = LanBox(lan, sim=sim, address=f"{NET}.20/24")
    box.wait_said("the box is nightstand.local")
    sim.phone().ctl("plug")
    wait_until("safe", lambda: '"state":"safe"' in box.curl(
        f"{NET}.20", path="/api/status").stdout.replace(" ", ""), 40)


def test_a_wrong_port_is_told(t):
    t.needs_root()
    conf = t.path("box.conf")
    conf.write_text("[web]\nnetwork = packet\ninterface = nowhere0\n")
    p = t.start_nightstand("run", "--config", conf,
                           sim=t.sim({"plugged": "no"}), name="box")
    wait_until("words about it", lambda: "nowhere0" in p.err and
               "none of that name" in p.err)
