"""The backup password: switched on, changed, switched off; and that no part of
the box keeps or tells it."""

import json
import os
import pathlib
import plistlib
import pty
import select
import signal
import subprocess
import time

import mbformat
from harness import NIGHTSTAND, SAN, check, equal, wait_until
from test_box import Box, free_port
from test_pin import Browser, pin_of

FIRST = "correct horse Größe 7"
SECOND = "another one, 1%+&="


def compare_encrypted(backup, phone, word):
    """With that password, and no other, it is what the phone holds."""
    manifest = plistlib.loads((backup / "Manifest.plist").read_bytes())
    equal(manifest["IsEncrypted"], True, "IsEncrypted")
    files = mbformat.read_backup(str(backup), word)
    wanted = {n: i for n, i in phone.hashes().items() if i.sha != "-"}
    equal(sorted(files), sorted(wanted), "names")
    for name, item in wanted.items():
        equal(files[name].sha256, item.sha, f"content of {name}")


# --- by hand -------------------------------------------------------------------

def password(t, sim, phone, *words, args=(), ok=True):
    return t.nightstand("password", "--udid", phone.udid, *args, sim=sim,
                        input="".join(f"{w}\n" for w in words), ok=ok)


def test_by_hand_on_change_off(t):
    sim = t.sim({"name": "Ana"})
    phone = sim.phone()
    vault = t.path("disk")
    vault.mkdir()
    t.backup(sim, phone, vault)
    r = password(t, sim, phone, args=("--off",))
    check("not encrypted" in r.stdout, r.stdout)
    r = password(t, sim, phone, FIRST, args=("--log", "debug"))
    check("are encrypted" in r.stdout, r.stdout)
    check("switched on" in r.stderr and FIRST not in r.stdout + r.stderr,
          f"the log: {r.stderr}")
    t.backup(sim, phone, vault)
    compare_encrypted(t.latest(vault, phone), phone, FIRST)
    r = password(t, sim, phone, "wrong", SECOND, ok=False)
    equal(r.returncode, 20, f"exit status: {r.stderr}")
    check("was not changed" in r.stderr, r.stderr)
    password(t, sim, phone, FIRST, SECOND)
    t.backup(sim, phone, vault)
    compare_encrypted(t.latest(vault, phone), phone, SECOND)
    r = password(t, sim, phone, FIRST, args=("--off",), ok=False)
    equal(r.returncode, 20, "exit status")
    r = password(t, sim, phone, SECOND, args=("--off",))
    check("no longer encrypted" in r.stdout, r.stdout)
    t.backup(sim, phone, vault)
    t.compare_plain(t.latest(vault, phone), phone.hashes())


def test_by_hand_tried_on_what_is_kept(t):
    """No phone is needed; each backup has the password that it was made with."""
    sim = t.sim({"name": "Ana"})
    phone = sim.phone()
    vault = t.path("disk")
    vault.mkdir()
    t.backup(sim, phone, vault)
    for word in (FIRST, SECOND):
        password(t, sim, phone, *([FIRST] if word == SECOND else []), word)
        t.backup(sim, phone, vault)
    phone.ctl("unplug")

    def tried(word, *args):
        r = t.nightstand("password", "--test", "--vault", vault, *args,
                         input=f"{word}\n", ok=False)
        check(not word or word not in r.stdout + r.stderr, "it is told")
        return r.returncode
    equal([tried(FIRST), tried(SECOND)], [20, 0], "the newest")
    equal([tried(w, "--snapshot", 2) for w in (FIRST, SECOND)], [0, 20], "the one before")
    equal(tried("", "--snapshot", 1), 2, "no word")
    equal(tried("any", "--snapshot", 1), 0, "one that is not encrypted")
    equal(tried("any", "--snapshot", 77), 32, "one that is not there")
    # What the disk says of its keys is not believed.
    manifest = t.latest(vault, phone) / "Manifest.plist"
    tree = plistlib.loads(manifest.read_bytes())
    bag = tree["BackupKeyBag"]
    at = bag.index(b"DPIC") + 8
    for broken in (bag[:40], b"", bag[:at] + b"\xff" * 4 + bag[at + 4:]):
        tree["BackupKeyBag"] = broken
        manifest.write_bytes(plistlib.dumps(tree, fmt=plistlib.FMT_BINARY))
        check(tried(SECOND) in (31, 41), "a broken key bag")


def test_by_hand_words_that_do_not_fit(t):
    sim = t.sim()
    phone = sim.phone()
    for words, said in (((), "no password"), (("",), "no password"),
                        (("x" * 128,), "at most 127"),
                        (("a\tb",), "control")):
        r = password(t, sim, phone, *words, ok=False)
        equal(r.returncode, 2, f"{words}: {r.stderr}")
        check(said in r.stderr, r.stderr)
    equal(phone.status()["encrypted"], False, "WillEncrypt")
    password(t, sim, phone, "ü" * 63)
    equal(phone.status()["encrypted"], True, "WillEncrypt")
    # What the phone has is not looked at again: the old one is needed.
    r = password(t, sim, phone, ok=False)
    equal(r.returncode, 2, r.stderr)


def test_by_hand_passcode_not_given_and_unplugged(t):
    sim = t.sim()
    phone = sim.phone()
    phone.ctl("passcode", "refused", 800)
    r = password(t, sim, phone, FIRST, ok=False)
    equal(r.returncode, 11, r.stderr)
    check("was not changed" in r.stderr and "passcode" in r.stderr, r.stderr)
    check("Enter the passcode" in r.stdout, r.stdout)
    phone.ctl("passcode", "entered", 0)
    phone.ctl("at", "passcode", "unplug")
    r = password(t, sim, phone, FIRST, ok=False)
    equal(r.returncode, 15, r.stderr)
    check("not known" in r.stderr, r.stderr)
    check(FIRST not in r.stdout + r.stderr, "the password is told")
    phone.ctl("plug")
    equal(phone.status()["encrypted"], False, "WillEncrypt")


class Terminal:
    """nightstand password at a terminal of its own."""

    def __init__(self, t, sim, phone, *args):
        master, slave = pty.openpty()
        self.fd = master
        self.out = b""
        self.p = subprocess.Popen(
            [NIGHTSTAND, "password", "--udid", phone.udid, *args],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, **sim.env})
        os.close(slave)
        t.cleanups.append(self.end)

    def see(self, text, seconds=20):
        def there():
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    self.out += os.read(self.fd, 4096)
                except OSError:  # the other end is closed
                    pass
            return text.encode() in self.out
        wait_until(f"{text!r} in {self.out!r}", there, seconds)
        self.out = self.out.split(text.encode(), 1)[1]

    def type(self, text):
        os.write(self.fd, f"{text}\n".encode())

    def end(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        os.close(self.fd)


def test_by_hand_at_a_terminal(t):
    sim = t.sim()
    phone = sim.phone()
    at = Terminal(t, sim, phone)
    at.see("Write it down")
    at.see("new backup password: ")
    at.type(FIRST)
    at.see("Once more: ")
    equal(at.out.strip(), b"", "what is echoed")
    at.type(SECOND)
    at.see("the two differ")
    equal(at.p.wait(20), 2, "exit status")
    equal(phone.status()["encrypted"], False, "WillEncrypt")
    at = Terminal(t, sim, phone)
    for prompt in ("new backup password: ", "Once more: "):
        at.see(prompt)
        at.type(FIRST)
    at.see("are encrypted with the new password")
    equal(at.p.wait(20), 0, "exit status")
    equal(phone.status()["encrypted"], True, "WillEncrypt")
    at = Terminal(t, sim, phone, "--off")
    at.see("backup password now: ")
    at.p.send_signal(signal.SIGINT)
    equal(at.p.wait(20), 130, "exit status after Ctrl-C")


# --- the box -------------------------------------------------------------------

def signed_in(t, box):
    b = Browser(box)
    equal(b.sign_in(pin_of(t, box)), 200, "signing in")
    return b


def details(t, state):
    ledger = t.path("state") / "nights.jsonl"
    return [n["detail"] for n in map(json.loads, ledger.open())
            if n["state"] == state]


def test_on_the_page_on_change_off(t):
    sim = t.sim({"name": "Ana"})
    phone = sim.phone()
    box = Box(t, sim)
    st = box.wait_state("safe", phone=phone)["phones"][0]
    equal([st["encrypted"], st["will_encrypt"]], [False, False], "encrypted")
    equal(st["hint"]["id"], "not_encrypted", "hint")
    b = signed_in(t, box)
    check("/password#" in b.send("/")[1], "no way to the form")
    plain = t.tree(t.latest(box.vault, phone))
    equal(b.do("password", udid=phone.udid, new=FIRST, again=FIRST)[0], 200,
          "switching on")
    wait_until("the second night", lambda: box.nights("safe") == 2, 40)
    compare_encrypted(t.latest(box.vault, phone), phone, FIRST)
    st = box.wait_state("safe", phone=phone)["phones"][0]
    equal([st["encrypted"], st["will_encrypt"], st["hint"]],
          [True, True, None], "encrypted")
    check("Switch it off" in b.send("/password")[1], "no form to switch off")
    equal(b.do("password", udid=phone.udid, old=FIRST, new=SECOND)[0], 200,
          "changing")
    wait_until("the third night", lambda: box.nights("safe") == 3, 40)
    compare_encrypted(t.latest(box.vault, phone), phone, SECOND)
    equal(b.do("password", udid=phone.udid, old=SECOND, off="yes")[0], 200,
          "switching off")
    wait_until("the fourth night", lambda: box.nights("safe") == 4, 40)
    t.compare_plain(t.latest(box.vault, phone), phone.hashes())
    equal(details(t, "password_set"),
          ["encrypted backups were switched on",
           "the backup password was changed",
           "encrypted backups were switched off"], "the ledger")
    # The plain one of before is what it was, and all of them are whole.
    t.nightstand("verify", "--vault", box.vault)
    files = t.nightstand("files", "--vault", box.vault, "--udid", phone.udid,
                         "--snapshot", 1).stdout
    missing = [p for p in plain if plain[p] and p not in files]
    equal(missing, [], "files of the first snapshot that are gone")


def test_restored_by_debians_own_tool(t):
    sim = t.sim({"files": 60, "bytes": "1M"})
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    b = signed_in(t, box)
    equal(b.do("password", udid=phone.udid, new=FIRST)[0], 200, "switching on")
    wait_until("the second night", lambda: box.nights("safe") == 2, 40)
    box.p.stop()
    items = {n: i.key() for n, i in phone.hashes().items()}
    phone.ctl("wipe")
    r = t.run("idevicebackup2", "-u", phone.udid, "restore", "--system",
              "--settings", "--password", "wrong",
              t.latest(box.vault, phone).parent, env=sim.env, ok=False)
    check(r.returncode != 0, "a wrong password restored")
    t.run("idevicebackup2", "-u", phone.udid, "restore", "--system",
          "--settings", "--password", FIRST,
          t.latest(box.vault, phone).parent, env=sim.env)
    wait_until("the phone's restart", lambda: phone.status()["plugged"])
    equal({n: i.key() for n, i in phone.hashes().items()}, items,
          "what the phone holds after the restore")


test_restored_by_debians_own_tool.slow = 14


def test_wrong_words_and_passcode(t):
    sim = t.sim({"name": "Ana"})
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    b = signed_in(t, box)
    before = t.tree(t.latest(box.vault, phone))
    for fields, said in (
            ({}, "is missing"), ({"new": ""}, "is missing"),
            ({"off": "yes"}, "is missing"),
            ({"new": FIRST, "off": "yes", "old": "x"}, "Either"),
            ({"new": FIRST, "again": SECOND}, "differ"),
            ({"new": "x" * 128}, "127"), ({"new": "a\nb"}, "control"),
            ({"new": FIRST, "old": "y" * 300}, "127")):
        code, text = b.do("password", udid=phone.udid, **fields)
        equal(code, 400, f"{fields}: {text}")
        check(said in text, f"{fields}: {text}")
    phone.ctl("passcode", "wait")
    equal(b.do("password", udid=phone.udid, new=FIRST)[0], 200, "asked")
    st = box.wait_state("wants_passcode", phone=phone)
    check("backup password" in st["phones"][0]["sentence"], f"{st}")
    phone.ctl("passcode", "now", "refused")
    st = box.wait_state("password_unchanged", phone=phone)
    check("was not changed" in st["phones"][0]["headline"], st["headline"])
    check("passcode" in st["phones"][0]["headline"], st["headline"])
    phone.ctl("passcode", "entered", 0)
    phone.ctl("password", "-", "of the phone itself")
    for fields in ({"new": FIRST}, {"old": "wrong", "new": FIRST},
                   {"old": "wrong", "off": "yes"}):
        before_it = len(details(t, "password_unchanged"))
        equal(b.do("password", udid=phone.udid, **fields)[0], 200, "asked")
        wait_until("the end of it", lambda n=before_it: len(
            details(t, "password_unchanged")) > n)
        st = box.wait_state("password_unchanged", phone=phone)
        check("not the one" in st["phones"][0]["headline"], f"{st}")
    equal(phone.status()["encrypted"], True, "WillEncrypt")
    equal(t.tree(t.latest(box.vault, phone)), before, "the backup of before")


def test_a_phone_that_is_not_there_or_busy(t):
    sim = t.sim({"bytes": "20M", "files": 200})
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    b = signed_in(t, box)
    phone.ctl("at", "upload-file:5", "pause", 20000)
    phone.ctl("mutate", "change=50", "seed=5")
    equal(b.do("backup", udid=phone.udid)[0], 200, "back up now")
    box.wait_state("receiving", phone=phone)
    code, text = b.do("password", udid=phone.udid, new=FIRST)
    check(code == 400 and "busy" in text, f"{code} {text}")
    check("It is busy" in b.send("/password")[1], "the page of a busy phone")
    equal(b.do("stop", udid=phone.udid)[0], 200, "stop")
    box.wait_state("stopped", phone=phone)
    phone.ctl("unplug")
    wait_until("its absence", lambda: not box.status()["phones"][0]["attached"])
    code, text = b.do("password", udid=phone.udid, new=FIRST)
    check(code == 400 and "Plug" in text, f"{code} {text}")
    check("Plug it in" in b.send("/password")[1], "the page without a phone")
    equal(b.do("password", udid="nobody", new=FIRST)[0], 400, "a stranger")
    equal(Browser(box).send("/password")[0], 401, "without a session")


def test_unplugged_in_the_middle(t):
    """Before the phone's answer it is not known; after it the backup is only
    put off."""
    sim = t.sim({"bytes": "4M", "files": 100})
    phone = sim.phone()
    box = Box(t, sim)
    box.wait_state("safe", phone=phone)
    b = signed_in(t, box)
    before = t.tree(t.latest(box.vault, phone))
    phone.ctl("at", "passcode", "unplug")
    equal(b.do("password", udid=phone.udid, new=FIRST)[0], 200, "asked")
    box.wait_state("password_unsure", phone=phone)
    equal(details(t, "password_set"), [], "the ledger")
    phone.ctl("plug")
    box.wait_state("safe", phone=phone)
    wait_until("the next night", lambda: box.nights("safe") == 2, 40)
    phone.ctl("at", "upload-file:20", "unplug")
    equal(b.do("password", udid=phone.udid, new=FIRST)[0], 200, "asked")
    box.wait_state("unplugged", phone=phone)
    equal(len(details(t, "password_set")), 1, "the ledger")
    equal({k: v for k, v in t.tree(t.latest(box.vault, phone)).items()
           if k in before and "/" in k},
          {k: v for k, v in before.items() if "/" in k}, "the plain backup")
    phone.ctl("plug")
    wait_until("the encrypted night", lambda: box.nights("safe") == 3, 40)
    compare_encrypted(t.latest(box.vault, phone), phone, FIRST)


# --- nobody keeps it -----------------------------------------------------------

def family(pid):
    """A process and all below it."""
    out = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            out += family(int(child))
    return out


def memory_holds(pid, words):
    """Which of the words stand in the memory of a process."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, \
            open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except (OSError, OverflowError):
                continue
            found |= {w for w in words if w in data}
    return found


def look_into_memory(pid, forms, seen):
    """The box and its children; only root may look into the page's jail, and a
    sanitizer keeps what was freed."""
    pids = family(pid)
    check(len(pids) >= 4, f"box, web, usbmux and session: {pids}")
    for one in pids:
        cmd = pathlib.Path(f"/proc/{one}/cmdline").read_bytes()
        check(not any(f in cmd for f in forms), f"argv: {cmd!r}")
        if os.geteuid() == 0 and not SAN:
            equal(memory_holds(one, forms), set(), f"the memory of {cmd!r}")
    if os.geteuid() == 0 and not SAN:
        check(memory_holds(pid, {seen}), "the look sees nothing at all")


def test_no_process_log_or_file_keeps_it(t):
    """While the backup behind it runs, no process of the box has it in its
    memory; nor does anything that is written or told, ever."""
    tls_port = free_port()
    sim = t.sim({"bytes": "8M", "files": 100})
    phone = sim.phone()
    box = Box(t, sim, web__tls_port=tls_port, box__log="debug")
    box.wait_state("safe", phone=phone)
    word = "Geheim-q7Xz-Wörtchen"
    b = signed_in(t, box)
    b.box = box
    phone.ctl("at", "upload-file:40", "pause", 6000)
    # A browser's own way: over TLS, as on a LAN.
    r = t.run("curl", "-ksS", "--max-time", 10, "-b", b.jar, "-w",
              "%{http_code}", "--data-urlencode", f"csrf={b.csrf()}",
              "-d", "action=password", "-d", f"udid={phone.udid}",
              "--data-urlencode", f"new={word}", "-H",
              f"Host: 127.0.0.1:{tls_port}",
              f"https://127.0.0.1:{tls_port}/api/do")
    check(r.stdout.endswith("200"), r.stdout)
    box.wait_state("receiving", phone=phone)
    forms = {word.encode(), word.encode("utf-16-be"), word.encode("utf-16-le"),
             b"Geheim-q7Xz-W%C3%B6rtchen", b"Geheim-q7Xz"}
    look_into_memory(box.p.p.pid, forms, phone.udid.encode())
    wait_until("the second night", lambda: box.nights("safe") == 2, 40)
    told = b.send("/api/status")[1] + b.send("/")[1] + b.send("/password")[1]
    check(word not in told, "the API or the page tells it")
    check(word not in box.p.out + box.p.err, "the log has it")
    b.do("report")
    check(word not in b.send("/report")[1], "the report has it")
    for folder in (t.path("state"), box.vault):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_socket():
                data = path.read_bytes()
                check(not any(f in data for f in forms), f"{path} has it")
    compare_encrypted(t.latest(box.vault, phone), phone, word)
