"""HTTPS: what goes over it only, what its certificate says, and that clients
that play with it cost nothing. openssl and curl are the peers."""

import json
import re
import ssl
import socket
import time

from harness import check, equal, wait_until
from lan import NET, Lan, LanBox
from test_box import Box, free_port

AT = f"{NET}.20"


def fingerprint_of(t, text):
    """Of the certificate in `text`, as openssl prints it."""
    path = t.path(f"cert-{time.monotonic_ns()}.pem")
    path.write_text(text)
    out = t.run("openssl", "x509", "-in", path, "-noout", "-fingerprint",
                "-sha256").stdout
    return out.strip().split("=")[1]


def lan_box(t, **keys):
    lan = Lan(t)
    box = LanBox(lan, address=f"{AT}/24", **keys)
    box.wait_said("the box is nightstand.local")
    return lan, box


class Client:
    """curl over HTTPS, from a neighbour, with a jar."""

    def __init__(self, lan, box, scheme="https", by_name=False):
        self.lan = lan
        self.base = f"{scheme}://{'nightstand.local' if by_name else AT}"
        self.jar = lan.t.path(f"jar-{time.monotonic_ns()}")
        # An address of the LAN is in no certificate: it is trusted by name.
        self.trust = ("-k",) if not by_name else (
            "--cacert", box.state / "tls.pem", "--resolve",
            f"nightstand.local:443:{AT}")

    def send(self, path, *args, base=None, **fields):
        form = [a for k, v in fields.items()
                for a in ("--data-urlencode", f"{k}={v}")]
        r = self.lan.sh("curl", "-sS", "--max-time", 10, "-b", self.jar, "-c",
                        self.jar, *self.trust, "-w",
                        "\n%{http_code} %{redirect_url}", *form, *args,
                        f"{base or self.base}{path}")
        body, end = r.stdout.rsplit("\n", 1)
        code, _, to = end.partition(" ")
        return int(code), body, to


def test_the_certificate_is_the_boxs(t):
    lan, box = lan_box(t)
    c = Client(lan, box, by_name=True)
    equal(c.send("/")[0], 200, "by name, with its certificate trusted")
    check("<html" in c.send("/")[1], "no page")
    shown = lan.sh("openssl", "s_client", "-connect", f"{AT}:443", "-alpn",
                   "h2,http/1.1", input="").stdout
    check("ALPN protocol: http/1.1" in shown, shown[-2000:])
    pem = re.search(r"-----BEGIN CERT.*END CERTIFICATE-----", shown, re.S)
    status = t.nightstand("status", "--state", box.state).stdout
    check(fingerprint_of(t, pem.group(0)) in status, status)
    equal((box.state / "tls.pem").stat().st_mode & 0o777, 0o600, "rights")
    check("PRIVATE" not in box.p.err, "the key is in the log")
    # A new start, the same certificate.
    old = (box.state / "tls.pem").read_text()
    box.p.stop()
    again = LanBox(lan, name="again", address=f"{AT}/24",
                   box__state=box.state)
    again.wait_said("the box is nightstand.local")
    lan.sh("ip", "neigh", "flush", "dev", "br0")  # another MAC has it now
    wait_until("the page", lambda: lan.sh(
        "curl", "-sk", "--max-time", "3", "-o", "/dev/null",
        f"https://{AT}/", ok=False).returncode == 0, 20)
    equal((box.state / "tls.pem").read_text(), old, "the certificate")


def test_over_ipv6(t):
    lan = Lan(t)
    lan.dnsmasq()
    env = lan.avahi()
    box = LanBox(lan)
    box.wait_said("the box is nightstand.local")
    v6 = wait_until("an address", lambda: next(
        (a for a in [lan.resolve("nightstand.local", env, "-6")]
         if a and a.startswith("fd77:")), None), 40)
    r = lan.sh("curl", "-sS", "-g", "--max-time", 10, "--cacert",
               box.state / "tls.pem", "--resolve",
               f"nightstand.local:443:[{v6}]",
               "https://nightstand.local/api/status")
    equal(json.loads(r.stdout)["box"]["name"], "nightstand", "over IPv6")


def test_on_a_lan_the_pin_goes_over_tls_only(t):
    sim = t.sim({"name": "Ana Maria"})
    lan, box = lan_box(t, sim=sim)
    pin = (box.state / "PIN.txt").read_text().split()[0]
    phone = sim.phone()
    plain, safe = Client(lan, box, "http"), Client(lan, box)
    # In clear: the glance, and the way to where it is safe.
    code, page, _ = plain.send("/")
    equal(code, 200, "the glance")
    check("Ana Maria" not in page, "the glance names a phone")
    code, _, to = plain.send("/login")
    equal((code, to), (303, f"https://{AT}/login"), "signing in")
    code, body, _ = plain.send("/login", pin=pin)
    equal(code, 403, f"the PIN in clear: {body}")
    equal(plain.send("/api/login", pin=pin)[0], 403, "the PIN in clear")
    code, _, to = plain.send("/password")
    equal((code, to), (303, f"https://{AT}/password"), "the password's page")
    code, body, _ = plain.send("/api/do", action="password", udid=phone.udid,
                               new="in clear")
    equal(code, 403, f"a backup password in clear: {body}")
    # Over TLS: a session, by a cookie that does not go in clear.
    code, body, _ = safe.send("/api/login", pin=pin)
    equal(code, 200, body)
    csrf = json.loads(body)["csrf"]
    check("Ana Maria" in safe.send("/")[1], "the owner sees no name")
    jar = safe.jar.read_text()
    cookie = next(line for line in jar.splitlines() if "ns_session" in line)
    equal(cookie.split("\t")[3], "TRUE", "Secure")
    token = cookie.split("\t")[6]
    r = plain.send("/", "-H", f"Cookie: ns_session={token}")
    check("Ana Maria" not in r[1], "a session in clear sees names")
    code, _, _ = plain.send("/api/do", "-H", f"Cookie: ns_session={token}",
                            csrf=csrf, action="backup", udid=phone.udid)
    equal(code, 403, "an action in clear")
    wait_until("safe", lambda: '"state":"safe"' in
               safe.send("/api/status")[1], 40)
    code, body, _ = safe.send("/api/do", csrf=csrf, action="backup",
                              udid=phone.udid)
    equal(code, 200, body)
    # A page in clear of the same name is another page.
    code, _, _ = safe.send("/do", "-H", f"Origin: http://{AT}", csrf=csrf,
                           action="report")
    equal(code, 403, "a form of the page in clear")


def test_on_a_pc_it_is_there_when_asked_for(t):
    port = free_port()
    box = Box(t, t.sim({"plugged": "no"}), web__tls_port=port)
    url = f"https://localhost:{port}"
    ca = t.path("state") / "tls.pem"
    r = t.run("curl", "-sS", "--cacert", ca, f"{url}/")
    check("<html" in r.stdout, r.stdout[:200])
    for version in ("-tls1_2", "-tls1_3"):
        r = t.run("openssl", "s_client", version, "-connect",
                  f"localhost:{port}", input="")
        check("Verification error" in r.stdout or "self" in r.stdout,
              r.stdout[-500:])
    r = t.run("openssl", "s_client", "-tls1_1", "-cipher",
              "DEFAULT@SECLEVEL=0", "-connect", f"localhost:{port}", input="",
              ok=False)
    check(r.returncode != 0, "TLS 1.1 is taken")
    r = t.run("curl", "-sS", f"http://localhost:{port}/", ok=False)
    check(r.returncode != 0, "HTTP in clear is answered there")
    # A page of 20 KB in records of 512 bytes, over one connection.
    r = t.run("openssl", "s_client", "-tls1_2", "-quiet", "-maxfraglen", "512",
              "-connect", f"localhost:{port}",
              input=f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n"
              "Connection: close\r\n\r\n")
    check(r.stdout.rstrip().endswith("</html>"), r.stdout[-300:])
    equal(box.status()["box"]["certificate_sha256"],
          fingerprint_of(t, ca.read_text()), "the fingerprint")


def test_live_events_come_over_tls(t):
    port = free_port()
    sim = t.sim({"plugged": "no"})
    Box(t, sim, web__tls_port=port)
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port), 5) as raw, \
            context.wrap_socket(raw) as s:
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        s.settimeout(30)
        got = b""
        sim.phone().ctl("plug")
        while b'"state":"safe"' not in got:
            part = s.recv(65536)
            check(part, "the stream has ended")
            got += part
        check(got.count(b"\nid: ") > 2, "few events")


CROWD = """
import selectors, socket, ssl, sys, time
at, seconds, addresses = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
out = ssl.MemoryBIO()
context = ssl._create_unverified_context()
try:
    context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
except ssl.SSLWantReadError:
    pass
hello = out.read()
texts = {"half": [hello[:-1], hello[:3], b"GET / HTTP/1.1\\r\\n\\r\\n"],
         "whole": [hello]}[sys.argv[4]]
sel = selectors.DefaultSelector()
made = answered = 0

def begin(i):
    global made
    s = socket.socket()
    s.setblocking(False)
    s.bind((f"10.77.0.{100 + i % addresses}", 0))
    s.connect_ex((at, 443))
    made += 1
    sel.register(s, selectors.EVENT_WRITE, i)

for i in range(2 * addresses):
    begin(i)
print("begun", flush=True)
end = time.monotonic() + seconds
while time.monotonic() < end:
    for key, events in sel.select(0.1):
        s, i = key.fileobj, key.data
        try:
            if events & selectors.EVENT_WRITE:
                s.send(texts[i % len(texts)])
                sel.modify(s, selectors.EVENT_READ, i)
                continue
            answered += len(s.recv(9000)) > 300
        except OSError:
            pass
        sel.unregister(s)
        s.close()
        begin(i)
print(f"made {made} answered {answered}", flush=True)
"""


def beside_a_crowd(t, what, addresses):
    """Two connections an address, each of which comes back at once."""
    lan, box = lan_box(t)
    for i in range(addresses):
        lan.sh("ip", "addr", "add", f"{NET}.{100 + i}/32", "dev", "br0")
    p = lan.start("crowd", "python3", "-c", CROWD, AT, "12", addresses, what)
    wait_until("the crowd", lambda: "begun" in p.out, 30)
    time.sleep(3)  # it takes all places before it is known for one
    worst = {}
    for scheme in ("https", "http") * 8:
        start = time.monotonic()
        r = lan.sh("curl", "-sSk", "--max-time", 10, "--retry", 2,
                   "--retry-all-errors", f"{scheme}://{AT}/", ok=False)
        took = time.monotonic() - start
        check(r.returncode == 0 and r.stdout.rstrip().endswith("</html>"),
              f"{scheme}: {r.returncode} {r.stderr}")
        worst[scheme] = max(took, worst.get(scheme, 0))
    wait_until("its end", lambda: "answered" in p.out, 30)
    equal(box.p.err.count("child started role=web"), 1, "starts of the page")
    return worst, int(p.out.split()[-1])


def test_half_hellos_hold_nobody_up(t):
    worst, answered = beside_a_crowd(t, "half", 100)
    equal(answered, 0, "half hellos that were answered")
    check(worst["https"] < 2 and worst["http"] < 2, worst)


def test_hellos_without_end_leave_a_turn(t):
    worst, answered = beside_a_crowd(t, "whole", 40)
    check(100 < answered < 800, f"{answered} handshakes in twelve seconds")
    check(worst["https"] < 5 and worst["http"] < 2, worst)


def test_a_broken_file_makes_a_new_certificate(t):
    port = free_port()
    box = Box(t, t.sim({"plugged": "no"}), web__tls_port=port)
    ca = t.path("state") / "tls.pem"
    old = ca.read_text()
    box.p.stop()
    ca.write_text(old[:200])
    box.start()
    check(ca.read_text() != old, "the same certificate")
    r = t.run("curl", "-sS", "--cacert", ca, f"https://localhost:{port}/")
    check("<html" in r.stdout, r.stdout[:200])
