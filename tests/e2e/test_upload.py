"""An update that is sent through the page: by the form and by the API, over
HTTP and HTTPS. What is no update, is cut off, comes twice or never ends leaves
the slot that runs, and the page answers meanwhile. A folder stands for the
card."""

import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

import harness
from harness import check, equal, wait_until
from test_box import Box, free_port
from test_jail import facts, role_pid
from test_pin import Browser, pin_of

sys.path.insert(0, str(harness.ROOT / "tools/image"))
import update as maker  # noqa: E402  (needs the path above)

# RFC 8032 7.1, test 1, as PKCS #8 in DER (RFC 8410).
SECRET = bytes.fromhex(
    "302e020100300506032b657004220420"
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
NEWER, OLDER = 4102444800, 1000
NONE = "os_prefix=a/\n#board=qemu-arm64\n#try=none\n"
MOST = 48 << 20
NOBODY = 65534


class CardBox(Box):
    """A box whose card is a folder with two slots."""

    def __init__(self, t, **config):
        self.card = t.path("card")
        for slot in ("a", "b"):
            (self.card / slot).mkdir(parents=True)
        (self.card / "a/kernel8.img").write_bytes(b"what runs")
        (self.card / "slot.txt").write_text(NONE.ljust(511) + "\n")
        if os.geteuid() == 0:
            self.give_to_nobody()
        slots = t.path("slots")
        slots.write_text(f"{self.card} qemu-arm64 plain -\n")
        self.tls_port = free_port()
        super().__init__(t, t.sim({"plugged": "no"}), box__slots=slots,
                         web__tls_port=self.tls_port, **config)
        self.wait_state("ready")

    def give_to_nobody(self):
        """As the mounted card belongs to the part that writes to it."""
        for folder in self.card.parents:
            if folder.stat().st_mode & 0o1 == 0:
                folder.chmod(0o711)
        for path in (self.card, *self.card.rglob("*")):
            os.chown(path, NOBODY, NOBODY)

    def start(self):
        self.p = self.t.start_nightstand(
            "run", "--config", self.conf, sim=self.sim, name="box",
            program=harness.KEYED)
        wait_until("the page", self.is_up, 30)

    def update(self):
        return self.status()["box"]["update"]

    def noted(self):
        text = (self.card / "slot.txt").read_text()
        equal(len(text), 512, "the sector")
        equal(text.split("\n")[0], "os_prefix=a/", "what starts")
        equal((self.card / "a/kernel8.img").read_bytes(), b"what runs",
              "the slot that runs")
        return text.split("\n")[2].strip()

    def slot_b(self):
        return sorted(p.name for p in (self.card / "b").iterdir())


class Owner(Browser):
    """Signed in, over HTTP or HTTPS."""

    def __init__(self, box, tls=False):
        super().__init__(box)
        self.base = f"http://127.0.0.1:{box.port}"
        if tls:
            self.base = f"https://127.0.0.1:{box.tls_port}"
        self.pin = pin_of(box.t, box)
        equal(self.sign_in(self.pin), 200, "signing in")

    def send(self, path, *args, ok=True, seconds=60, **fields):
        form = [a for k, v in fields.items()
                for a in ("--data-urlencode", f"{k}={v}")]
        r = self.box.t.run(
            "curl", "-sSk", "--max-time", seconds, "-b", self.jar, "-c",
            self.jar, "-w", "\n%{http_code}", *form, *args,
            f"{getattr(self, 'base', '') or ''}{path}", ok=ok,
            seconds=seconds + 10)
        body, code = r.stdout.rsplit("\n", 1)
        return int(code), body

    def upload(self, path, *args, csrf=None, **kw):
        csrf = self.csrf() if csrf is None else csrf
        return self.send("/api/update", "-H", f"X-CSRF: {csrf}",
                         "--data-binary", f"@{path}", *args, **kw)

    def form(self, path, *args, csrf=None, **kw):
        csrf = self.csrf() if csrf is None else csrf
        return self.send("/update", "-F", f"csrf={csrf}", "-F",
                         f"file=@{path}", *args, **kw)


def key(t, secret=SECRET):
    pem = t.path("key.pem")
    r = subprocess.run(["openssl", "pkey", "-inform", "DER"], input=secret,
                       check=True, capture_output=True)
    pem.write_bytes(r.stdout)
    return pem


def make(t, size=300000, board="qemu-arm64", build=NEWER, version="9.9",
         name="new.update", secret=SECRET):
    """A signed update of about so many bytes, which hold marks of a form."""
    kernel = (b"\r\n--\r\n-----" + os.urandom(1000)) * (size // 2000 + 1)
    initrd = os.urandom(size // 2 + 1)
    parts = [("kernel8.img", kernel), ("initrd.img", initrd)]
    head = maker.head_of(board, version, build, parts)
    out = t.path(name)
    out.write_bytes(head + maker.sign(str(key(t, secret)), head)
                    + kernel + initrd)
    return out, dict(parts)


def error_of(body):
    return json.loads(body)["error"]


def is_whole(box, parts):
    for name, data in parts.items():
        equal((box.card / "b" / name).read_bytes() == data, True, name)


def test_by_the_api_and_installed(t):
    box = CardBox(t)
    for tls in (False, True):
        o = Owner(box, tls)
        size = 5 << 20 if tls else 300001
        path, parts = make(t, size, version="9.8" if tls else "9.9")
        code, body = o.upload(path)
        equal(code, 200, body)
        equal(json.loads(body)["ok"], True, "the answer")
        got = box.update()
        equal((got["version"], got["sent"], got["older"], got["why"]),
              ("9.8" if tls else "9.9", True, False, ""), "the offer")
        is_whole(box, parts)
        equal(box.noted(), "#try=none", "nothing is tried unasked")
    equal(o.do("update", version="9.8", pin="0" * 6)[0], 403, "a wrong PIN")
    equal(o.do("update", version="9.9", pin=o.pin)[0], 400, "another version")
    equal(box.noted(), "#try=none", "nothing is tried")
    equal(o.do("update", version="9.8", pin=o.pin)[0], 200, "install it")
    wait_until("the note", lambda: "#try=ready" in box.noted(), 20)
    check("#try=ready page" in box.noted() and "9.8" in box.noted(),
          box.noted())
    is_whole(box, parts)


def test_by_the_form(t):
    box = CardBox(t)
    o = Owner(box, tls=True)
    for path in ("/settings", "/update"):
        code, page = o.send(path)
        equal(code, 200, path)
        check('enctype="multipart/form-data"' in page, f"{path}: no form")
    path, parts = make(t, 3 << 20, build=OLDER)
    code, body = o.form(path)
    equal(code, 303, body)
    is_whole(box, parts)
    code, page = o.send("/update")
    check("Version 9.9 has arrived" in page, page[-2000:])
    check("Install version 9.9" in page and 'name="older"' in page, page)
    check("was sent, older than this one" in o.send("/")[1], "the page")
    equal(o.do("update", version="9.9", pin=o.pin)[0], 400, "unasked")
    equal(o.do("update", version="9.9", older="yes", pin=o.pin)[0], 200,
          "an older one that is meant")
    wait_until("the note", lambda: "#try=ready" in box.noted(), 20)


def test_only_for_its_owner(t):
    box = CardBox(t)
    path, _ = make(t)
    stranger = Browser(box)
    url = f"http://127.0.0.1:{box.port}"
    for to in ("/api/update", "/update"):
        # Behind "Expect: 100-continue" nothing of the file is even sent.
        r = t.run("curl", "-sS", "-o", "/dev/null", "-H",
                  "Expect: 100-continue", "--expect100-timeout", 30,
                  "-w", "%{http_code} %{size_upload}", "--data-binary",
                  f"@{path}", url + to)
        equal(r.stdout, "401 0", f"{to} without a session")
    check(stranger.send("/update")[0] == 401, "the form")
    o = Owner(box)
    for csrf in ("", "no", "0" * 64):
        code, body = o.upload(path, csrf=csrf)
        equal(code, 403, body)
        code, body = o.form(path, csrf=csrf)
        equal(code, 403, body)
        check("too old" in body, body[-500:])
    equal(o.upload(path, "-H", "Origin: http://elsewhere")[0], 403,
          "a form of another page")
    equal(o.upload(path, "-H", "Host: elsewhere")[0], 421, "another name")
    # A file before its token is not taken, either.
    code, _ = o.send("/update", "-F", f"file=@{path}", "-F",
                     f"csrf={o.csrf()}")
    equal(code, 403, "the token behind the file")
    equal(box.slot_b(), [], "what was written")
    check("an update is sent" not in box.p.err, "the box was asked")


def test_what_is_no_update_is_told(t):
    box = CardBox(t)
    o = Owner(box)
    good, _ = make(t)
    data = good.read_bytes()
    bad = t.path("bad.update")

    def refused(content, why, code=400):
        bad.write_bytes(content)
        for send in (o.upload, o.form):
            got, body = send(bad)
            equal(got, code, body)
            check(why in body, f"{why} is not in {body[-700:]}")
        equal(box.noted(), "#try=none", "what is tried")
        equal(box.update()["version"], None, "what is offered")

    refused(b"", "it is no update of a box, or not all of it")
    refused(b"x" * 5000, "it is no update")
    refused(data[:4000], "not all of it")
    refused(data[:-1], "not all of it")
    refused(data + b"x", "it is no update of a box")
    flip = bytearray(data)
    flip[4096 + 1000] ^= 1
    refused(bytes(flip), "changed after it was signed")
    flip = bytearray(data)
    flip[100] ^= 1
    refused(bytes(flip), "nobody has signed it whom this box trusts")
    stranger, _ = make(t, name="s", secret=SECRET[:-1] + b"\x61")
    refused(stranger.read_bytes(), "nobody has signed it")
    other, _ = make(t, name="o", board="rpi-arm64")
    refused(other.read_bytes(), "it is for another kind of box")
    # And after all of that a good one is taken.
    equal(o.upload(good)[0], 200, "a good one")


def test_too_large_is_told_before_it_comes(t):
    box = CardBox(t)
    o = Owner(box)
    large = t.path("large")
    with open(large, "wb") as f:
        f.truncate(MOST + 4096 + 1)
    code, body = o.upload(large)
    equal(code, 413, body)
    check("48 MiB at most" in error_of(body), body)
    with open(large, "wb") as f:
        f.truncate(3 << 30)
    for form in (True, False):
        begun = time.monotonic()
        # --data-binary would read all of it first.
        code, body = o.form(large) if form else o.send(
            "/api/update", "-H", f"X-CSRF: {o.csrf()}", "-X", "POST", "-T",
            large)
        equal(code, 413, body)
        check("48 MiB at most" in body, body[-500:])
        check(time.monotonic() - begun < 10, "it was heard to its end")
    equal(box.noted(), "#try=none", "what is tried")


class Raw:
    """A peer that stops where it likes."""

    def __init__(self, box, owner, length, tls=False, path="/api/update"):
        port = box.tls_port if tls else box.port
        self.s = socket.create_connection(("127.0.0.1", port), timeout=60)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.s = context.wrap_socket(self.s)
        with open(owner.jar) as f:
            cookie = re.search(r"ns_session\t(\S+)", f.read()).group(1)
        self.s.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Cookie: ns_session={cookie}\r\nX-CSRF: {owner.csrf()}\r\n"
            f"Content-Length: {length}\r\n\r\n".encode())

    def say(self, data):
        self.s.sendall(data)

    def hear(self):
        out = b""
        try:
            while data := self.s.recv(65536):
                out += data
        except OSError:
            pass
        return out.decode(errors="replace")


def test_cut_off_at_many_places(t):
    """The former version stays, it is said in words, and the next one comes."""
    box = CardBox(t)
    path, parts = make(t, 2 << 20)
    data = path.read_bytes()
    cuts = [0, 1, 4095, 4096, 4097, 70000, len(data) // 2, len(data) - 1]
    for tls in (False, True):
        o = Owner(box, tls)
        for n in cuts if not tls else cuts[3:7:2]:
            r = Raw(box, o, len(data), tls)
            r.say(data[:n])
            wait_until("it comes", lambda: box.update()["comes"], 10)
            r.s.close()
            wait_until("it is over", lambda: not box.update()["comes"], 10)
            got = box.update()
            check("cut off at" in got["why"] and "send it again" in got["why"],
                  f"{n}: {got}")
            equal((got["version"], box.noted()), (None, "#try=none"), n)
    nights = [n["text"] for n in box.status()["nights"]]
    check(any("cut off at" in n for n in nights), nights)
    equal(o.upload(path)[0], 200, "then a whole one")
    is_whole(box, parts)
    # One that has arrived is forgotten when the next begins to be written.
    r = Raw(box, o, len(data))
    r.say(data[:100000])
    wait_until("it comes", lambda: box.update()["comes"], 10)
    equal(box.update()["version"], None, "the one before")
    r.s.close()


def test_one_at_a_time_and_the_page_answers(t):
    box = CardBox(t)
    o = Owner(box)
    path, parts = make(t, 4 << 20)
    data = path.read_bytes()
    r = Raw(box, o, len(data))
    r.say(data[:len(data) // 2])
    st = box.wait_state("update_comes")
    check(re.search(r"An update is being sent: \d+ %", st["headline"]),
          st["headline"])
    out = t.nightstand("status", "--config", box.conf).stdout
    check("An update is being sent:" in out, out)
    check("An update is being sent:" in o.send("/")[1], "the page")
    check("An update is being sent:" in o.send("/update")[1], "its own page")
    for send in (o.upload, o.form):
        code, body = send(path)
        equal(code, 409, body)
        check("being sent already" in body, body[-300:])
    # A second of slow bytes, and the page is as fast as ever.
    slow, end = [], threading.Event()

    def look():
        while not end.is_set():
            begun = time.monotonic()
            equal(Browser(box).send("/")[0], 200, "the page")
            slow.append(time.monotonic() - begun)
    looker = threading.Thread(target=look)
    looker.start()
    for at in range(len(data) // 2, len(data) // 2 + 60):
        r.say(data[at:at + 1])
        time.sleep(0.03)
    r.say(data[len(data) // 2 + 60:])
    end.set()
    looker.join()
    check(len(slow) > 5 and max(slow) < 3, f"the page took {slow}")
    said = r.hear()
    check(said.startswith("HTTP/1.1 200") and '"ok"' in said, said)
    is_whole(box, parts)
    print(f"    pages meanwhile: {len(slow)}, the slowest "
          f"{1000 * max(slow):.0f} ms")


def tree_of(pid):
    """Its descendants, itself first."""
    out = [pid]
    for at in out:
        for task in pathlib.Path(f"/proc/{at}/task").glob("*/children"):
            out += [int(n) for n in task.read_text().split()]
    return out


def test_who_takes_it_has_few_rights(t):
    """While it comes: one process with four of root's rights, which reads
    nothing, and one in a jail."""
    box = CardBox(t)
    o = Owner(box)
    path, _ = make(t)
    data = path.read_bytes()
    r = Raw(box, o, len(data))
    r.say(data[:100000])
    wait_until("it comes", lambda: box.update()["pct"] > 0, 10)
    outer = role_pid(box, "update")
    check(outer, "no process of the role")
    both = tree_of(int(outer.name))
    equal(len(both), 2, "its processes")
    inner = facts(pathlib.Path(f"/proc/{both[1]}"))
    equal(inner["NoNewPrivs"].strip(), "1", "NoNewPrivs")
    if not harness.SAN:
        equal(inner["Seccomp"].strip(), "2", "Seccomp")
    if os.geteuid() == 0:
        # SYS_ADMIN, DAC_OVERRIDE, SETUID, SETGID
        equal(int(facts(outer)["CapEff"], 16), 1 << 21 | 1 << 1 | 1 << 7 | 1 << 6,
              "rights of the one that mounts")
        check("0" not in inner["Uid"].split(), inner["Uid"])
        for name in ("CapEff", "CapPrm", "CapBnd"):
            equal(int(inner[name], 16) & ~(1 << 21 | 1 << 1 | 1 << 7 | 1 << 6)
                  if name == "CapBnd" else int(inner[name], 16), 0, name)
    # Neither outlives the box.
    box.p.p.kill()
    wait_until("their end", lambda: not any(
        os.path.exists(f"/proc/{pid}") for pid in both), 10)
    r.s.close()


def test_who_stalls_is_cut(t):
    box = CardBox(t)
    o = Owner(box)
    path, _ = make(t)
    data = path.read_bytes()
    r = Raw(box, o, len(data))
    r.say(data[:50000])
    wait_until("it comes", lambda: box.update()["comes"], 10)
    begun = time.monotonic()
    said = r.hear()
    took = time.monotonic() - begun
    check(said.startswith("HTTP/1.1 408"), said)
    check(15 < took < 40, f"cut after {took} s")
    wait_until("it is over", lambda: not box.update()["comes"], 10)
    check("cut off at" in box.update()["why"], box.update())
    equal(o.upload(path)[0], 200, "then a whole one")


def test_the_page_s_part_ends_meanwhile(t):
    box = CardBox(t)
    o = Owner(box)
    path, parts = make(t)
    data = path.read_bytes()
    r = Raw(box, o, len(data))
    r.say(data[:100000])
    wait_until("it comes", lambda: box.update()["comes"], 10)
    t.run("pkill", "-KILL", "-f", "-P", box.p.p.pid, "role web")
    r.hear()
    wait_until("the page again", box.is_up, 30)
    wait_until("it is over", lambda: not box.update()["comes"], 10)
    check("cut off at" in box.update()["why"], box.update())
    o = Owner(box)
    equal(o.upload(path)[0], 200, "then a whole one")
    is_whole(box, parts)


def test_a_box_without_slots(t):
    box = Box(t, t.sim({"plugged": "no"}))
    o = Owner(box)
    path, _ = make(t)
    for send in (o.upload, o.form):
        code, body = send(path)
        equal(code, 400, body)
        check("runs from its own card" in body, body[-300:])
    check("multipart" not in o.send("/settings")[1], "a form")


def test_again_at_once_after_a_cut(t):
    """The one before may still be ending: it does not speak for the next."""
    box = CardBox(t)
    o = Owner(box)
    path, parts = make(t, 2 << 20)
    data = path.read_bytes()
    for n in range(4):
        r = Raw(box, o, len(data))
        r.say(data[:200000 * n + 5000])
        wait_until("it comes", lambda: box.update()["comes"], 10)
        r.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        r.s.close()
        got = 409
        while got == 409:
            got, body = o.upload(path)
        equal(got, 200, body)
        is_whole(box, parts)
        equal(box.update()["version"], "9.9", "the offer")


def peak_kib(pid):
    return int(facts(pathlib.Path(f"/proc/{pid}"))["VmHWM"].split()[0])


def test_a_large_one_costs_no_memory(t):
    box = CardBox(t)
    web = int(role_pid(box, "web").name)
    small, _ = make(t, name="small.update")
    large, parts = make(t, 28 << 20, name="large.update")
    for tls in (False, True):
        o = Owner(box, tls)
        equal(o.upload(small)[0], 200, "a small one")
        before, peaks, end = peak_kib(web), [0], threading.Event()

        def look(peaks=peaks, end=end):
            while not end.wait(0.05):
                outer = role_pid(box, "update")
                for pid in tree_of(int(outer.name)) if outer else []:
                    try:
                        peaks.append(peak_kib(pid))
                    except (OSError, KeyError):
                        pass
        looker = threading.Thread(target=look)
        looker.start()
        begun = time.monotonic()
        equal(o.upload(large, seconds=120)[0], 200, "a large one")
        took = time.monotonic() - begun
        end.set()
        looker.join()
        is_whole(box, parts)
        size = large.stat().st_size
        print(f"    {size / 1e6:.1f} MB over {'HTTPS' if tls else 'HTTP'} in "
              f"{took:.1f} s; web {before} to {peak_kib(web)} KiB, update at "
              f"most {max(peaks)} KiB")
        if not harness.SAN:
            check(peak_kib(web) - before < 1024, "the page's part grew")
            check(0 < max(peaks) < 14000, f"the part that writes: {peaks}")


def test_strangers_that_linger_hold_up_nobody(t):
    """Refused, and what they say that they send is waited for, for a while."""
    box = CardBox(t)
    held = []
    for _ in range(90):
        s = socket.create_connection(("127.0.0.1", box.port), timeout=10)
        s.sendall(f"POST /update HTTP/1.1\r\nHost: 127.0.0.1:{box.port}\r\n"
                  "Content-Length: 40000000\r\n\r\n".encode())
        held.append(s)
    begun = time.monotonic()
    for _ in range(20):
        equal(Browser(box).send("/")[0], 200, "the page")
    took = time.monotonic() - begun
    check(took < 10, f"twenty pages took {took} s")
    path, parts = make(t)
    equal(Owner(box).upload(path)[0], 200, "its owner's")
    is_whole(box, parts)
    for s in held:
        s.close()
