"""The page and the API as a browser or a neighbour sees them, by curl and
raw sockets."""

import json
import re
import socket
import time

from harness import check, equal, wait_until
from test_box import Box


def curl(t, box, path, *args, ok=True):
    return t.run("curl", "-sS", "--max-time", 10, *args,
                 f"http://127.0.0.1:{box.port}{path}", ok=ok)


def raw(box, data, seconds=5):
    with socket.create_connection(("127.0.0.1", box.port), 5) as s:
        s.settimeout(seconds)
        s.sendall(data)
        out = b""
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    break
                out += part
        except TimeoutError:
            pass
        return out


def test_page_stands_without_javascript_and_outside_resources(t):
    sim = t.sim()
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    page = curl(t, box, "/").stdout
    check("is safe" in page, "the headline is not in the HTML")
    outside = re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page)
    check(not outside, f"outside resources: {outside}")
    check(len(page) < 60000, f"the page has {len(page)} bytes")
    for pattern in ("double blink", "slow breathing", "steady"):
        check(pattern in page, f"the legend lacks {pattern}")


def test_headers_and_methods(t):
    box = Box(t, t.sim({"plugged": "no"}))
    head = curl(t, box, "/", "-I").stdout
    check("200" in head.splitlines()[0], head)
    for name in ("Content-Security-Policy", "X-Content-Type-Options"):
        check(name.lower() in head.lower(), f"no {name}:\n{head}")
    for path, args, code in (("/nowhere", (), "404"),
                             ("/", ("-X", "DELETE"), "405"),
                             ("/", ("-H", "Host: evil.example"), "4"),
                             ("/" + "x" * 9000, (), "4")):
        got = curl(t, box, path, "-o", "/dev/null", "-w", "%{http_code}",
                   *args).stdout
        check(got.startswith(code), f"{path[:20]} {args}: {got}")


def test_keep_alive_and_many_requests(t):
    box = Box(t, t.sim({"plugged": "no"}))
    url = f"http://127.0.0.1:{box.port}/api/status"
    r = t.run("curl", "-sS", "-v", url, url, url)
    check("Re-using existing connection" in r.stderr, r.stderr)
    for _ in range(200):
        json.loads(box.get("/api/status"))


def test_events_are_live(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    box = Box(t, sim)
    with socket.create_connection(("127.0.0.1", box.port), 5) as s:
        s.settimeout(20)
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        f = s.makefile("rb")
        states = []
        phone.ctl("plug")
        for line in f:
            if line.startswith(b"data:"):
                states.append(json.loads(line[5:])["state"])
                if states[-1] == "safe":
                    break
    check("receiving" in states or "preparing" in states, f"{states}")


def test_broken_requests_get_an_error_and_cost_nothing(t):
    box = Box(t, t.sim({"plugged": "no"}))
    for data in (b"\x00\xff\xfe garbage\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20000 +
                 b"\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Length: 99999999999999999999\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\n"
                 b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"):
        out = raw(box, data)
        check(out.startswith(b"HTTP/1.1 4") or out == b"", f"{data[:40]}: "
              f"{out[:80]}")
    check("Ready" in box.get("/"), "the page is gone")


def test_idle_and_slow_clients_do_not_starve_the_page(t):
    box = Box(t, t.sim({"plugged": "no"}))
    idle = []
    start = time.monotonic()
    for i in range(64):
        s = socket.create_connection(("127.0.0.1", box.port), 20)
        s.sendall(b"GET / HT" if i % 2 else b"")
        idle.append(s)
    for _ in range(5):
        check("Ready" in box.get("/"), "no page")
    check(time.monotonic() - start < 10, "the page is slow beside idle ones")
    for s in idle:
        s.close()


def test_taken_port_is_said(t):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        sim = t.sim({"plugged": "no"})
        p = t.start_nightstand("run", "--vault", t.dir, "--port",
                               s.getsockname()[1], sim=sim)
        wait_until("words about the port",
                   lambda: str(s.getsockname()[1]) in p.err and
                   "in use" in p.err)
