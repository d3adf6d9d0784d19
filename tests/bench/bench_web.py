#!/usr/bin/env python3
"""Figures of the page: requests per second and latency of our own TCP on a
packet socket against nginx on the kernel's, same bytes, same bridge, in turn;
then what a crowd of slow and idle clients does to an honest one; in clear and
over TLS (the same key and certificate). All of it in network namespaces of its
own (root), in about five minutes.

Machines are noisy, and here client and server share its cores: read ratios.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import harness  # noqa: E402  (needs the path above)
from bench import family  # noqa: E402
from lan import NET, Lan, LanBox  # noqa: E402

CLIENTS = pathlib.Path(__file__).with_name("web_clients.py")
OURS, NGINX = f"{NET}.20", f"{NET}.30"
HONEST, CROWD = f"{NET}.60", f"{NET}.61"
SCHEMES = ("http", "https")
BOUND = 2.0  # times the undisturbed latency


def host(lan, address):
    ns, _ = lan.plug()
    lan.sh("ip", "addr", "add", f"{address}/24", "dev", "eth0", ns=ns)
    lan.sh("ip", "link", "set", "eth0", "up", ns=ns)
    return ns


def start_box(lan):
    box = LanBox(lan, address=f"{OURS}/24", name="box")
    box.wait_said("the box is nightstand.local")
    return box


def web_pid(box):
    for pid in family(box.p.p.pid):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"web" in words:
            return pid
    raise harness.Failed("there is no role web")


def rss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {k: int(v) for k, v in re.findall(r"^(VmRSS|VmHWM):\s+(\d+)", text,
                                             re.M)}


def start_nginx(lan, page, pem):
    """One worker, as the box has one loop; the same bytes and headers."""
    ns = host(lan, NGINX)
    root = lan.t.path("www")
    root.mkdir()
    (root / "index.html").write_bytes(page)
    conf = lan.t.path("nginx.conf")
    conf.write_text(f"""daemon off; worker_processes 1; user root;
pid {lan.t.path('nginx.pid')}; error_log stderr;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 100000000; tcp_nodelay on;
sendfile on; default_type text/html;
{' '.join(f"{n}_temp_path {lan.t.path('tmp-' + n)};" for n in
          ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))}
server {{ listen 80; listen 443 ssl; root {root};
ssl_certificate {pem}; ssl_certificate_key {pem}; }} }}
""")
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    p = lan.start("nginx", nginx, "-e", "stderr", "-c", conf, ns=ns)
    harness.wait_until("nginx", lambda: lan.sh(
        "curl", "-sS", f"http://{NGINX}/", ok=False).returncode == 0)
    return p


# --- throughput --------------------------------------------------------------

def wrk(hosts, url, connections, seconds):
    """(requests per second, the worst p99 in ms). The box lets an address have
    sixteen connections, so many of them come from several hosts."""
    n = -(-connections // 8)
    each = connections // n
    all_ = [subprocess.Popen(
        ["ip", "netns", "exec", ns, "wrk", "-t1", f"-c{each}",
         f"-d{seconds}s", "--latency", f"{url}/"],
        stdout=subprocess.PIPE, text=True) for ns in hosts[:n]]
    rate = p99 = 0
    for p in all_:
        out, _ = p.communicate(timeout=seconds + 30)
        harness.check("Requests/sec" in out and "Non-2xx" not in out and
                      "Socket errors" not in out, out)
        rate += float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
        t, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
        p99 = max(p99, float(t) * {"us": 0.001, "ms": 1, "s": 1000}[unit])
    return rate, p99


def bench_rate(hosts, scheme, size, seconds):
    print(f"{scheme}: the page ({size:,} bytes), keep-alive, wrk with a thread and up "
          "to 8 connections a host, median of 2 runs in turn:")
    for connections in (1, 8, 64):
        got = {OURS: [], NGINX: []}
        for address in (OURS, NGINX, NGINX, OURS):
            got[address].append(wrk(
                hosts, f"{scheme}://{address}", connections, seconds))
        ours, theirs = ([statistics.median(x) for x in zip(*got[a])]
                        for a in (OURS, NGINX))
        print(f"  {connections:2} connections: nightstand {ours[0]:8,.0f} "
              f"requests/s, p99 {ours[1]:6.2f} ms   nginx {theirs[0]:8,.0f}, "
              f"{theirs[1]:6.2f} ms   ratio {ours[0] / theirs[0]:.2f}",
              flush=True)


# --- a crowd -------------------------------------------------------------------

def ask(lan, ns, url, how, seconds):
    out = lan.sh(sys.executable, CLIENTS, "honest", url, how, seconds,
                 ns=ns).stdout
    got = json.loads(out)
    ms = sorted(got["ms"]) or [float("inf")]
    return {"n": len(got["ms"]), "failed": got["failed"],
            "median": statistics.median(ms),
            "p99": ms[min(len(ms) - 1, len(ms) * 99 // 100)]}


def told(got):
    return (f"median {got['median']:6.2f} ms, p99 {got['p99']:7.2f} ms "
            f"({got['n']} pages, {got['failed']} failed)")


def compare(how, before, during):
    good = during["failed"] == before["failed"] == 0
    print(f"  {how}:")
    print(f"    alone          {told(before)}")
    print(f"    beside a crowd {told(during)}")
    for what in ("median", "p99"):
        ratio = during[what] / before[what]
        good &= ratio <= BOUND
        print(f"    {what} {ratio:.2f} times (bound {BOUND:g})", flush=True)
    return good


def bench_crowd(lan, box, ns, crowd_ns, scheme, seconds):
    url = f"{scheme}://{OURS}"
    pid = web_pid(box)
    n = 64
    hows = {"keep": "one kept connection", "new": "a new connection a page"}
    print(f"{scheme}: an honest client, up to 50 pages a second for {seconds} s, and a crowd "
          f"at another address: {n} slow to ask, {n} slow to read, {n} idle")
    before = {how: ask(lan, ns, url, how, seconds) for how in hows}
    idle = rss_kib(pid)
    crowd = subprocess.Popen(
        ["ip", "netns", "exec", crowd_ns, sys.executable, CLIENTS, "crowd",
         url, str(n), str(2 * seconds + 6)], stdout=subprocess.PIPE,
        text=True)
    try:
        time.sleep(4)
        during = {how: ask(lan, ns, url, how, seconds) for how in hows}
        full = rss_kib(pid)
        out, _ = crowd.communicate(timeout=60)
    finally:
        crowd.kill()
        crowd.wait()
    good = True
    for how, title in hows.items():
        good &= compare(title, before[how], during[how])
    made = json.loads(out)
    print(f"  the crowd connected {made['made']} times and was cut "
          f"{made['cut']} times")
    print(f"  memory of the role web (RSS): {idle['VmRSS'] / 1024:.1f} MiB "
          f"before, {full['VmRSS'] / 1024:.1f} MiB beside the crowd, "
          f"{full['VmHWM'] / 1024:.1f} MiB at its peak")
    harness.equal(box.p.err.count("child started role=web"), 1,
                  "starts of the page")
    return good


def bench(t, only, seconds):
    t.needs("wrk", "curl")
    lan = Lan(t)
    box = start_box(lan)
    ns = host(lan, HONEST)
    good = True
    if only in (None, "rate"):
        page = lan.sh("curl", "-sS", f"http://{OURS}/", ns=ns).stdout.encode()
        start_nginx(lan, page, box.state / "tls.pem")
        hosts = [ns] + [host(lan, f"{NET}.{70 + i}") for i in range(7)]
        for scheme in SCHEMES:
            bench_rate(hosts, scheme, len(page), seconds)
    crowd_ns = host(lan, CROWD)
    for scheme in SCHEMES if only in (None, "crowd") else ():
        good &= bench_crowd(lan, box, ns, crowd_ns, scheme, 3 * seconds)
    return good


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--only", choices=["rate", "crowd"])
    ap.add_argument("--seconds", type=int, default=4, help="of one wrk run")
    a = ap.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench-web: network namespaces need root")
    base = tempfile.mkdtemp(prefix="nightstand-bench-",
                            dir=os.environ.get("TMPDIR", "/var/tmp"))
    rig = harness.Rig("bench", base)
    start = time.monotonic()
    try:
        good = bench(rig, a.only, a.seconds)
    finally:
        rig.end()
        shutil.rmtree(base, ignore_errors=True)
    print(f"{'all within their bounds' if good else 'SOME OUT OF BOUNDS'}, "
          f"{time.monotonic() - start:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
