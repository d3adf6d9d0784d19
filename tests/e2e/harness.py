"""What every end-to-end test stands on: a simulated phone, the program under
test, Debian's own tools, and comparisons of what lies on the disk with what
the phone says it holds.

A test is a function `test_…(t)`; `t` is a Rig with a folder of its own. A
test passes when it returns, fails when it raises, and is skipped by
t.skip("why"). What needs root says t.needs_root(): skipped for an ordinary
user, never in CI.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NIGHTSTAND_BUILD", ROOT / "build/host"))
EVIDENCE = pathlib.Path(
    os.environ.get("NIGHTSTAND_EVIDENCE", ROOT.parent / "shared/evidence"))
# CI runs as root and has all tools: there only what needs recordings that are
# not part of the repository may be skipped.
MUST_RUN = bool(os.environ.get("CI")) and os.geteuid() == 0
NO_RECORDING = "recorded device data is not here"
MAY_SKIP = (NO_RECORDING, "this kernel has no ")
SAN = os.environ.get("NIGHTSTAND_SAN") == "1"
# Short lives: freed memory that is kept aside for 256 MiB only costs time.
if SAN:
    os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=8")
# What no program may say in any test: a sanitizer's report, or that a jail
# forbids what the work in it needs.
WRONG = (r"ERROR: \w+Sanitizer|runtime error:|"
         r"no need of this system call|[EW] (\S+/)?jail: ")
PHONESIM = BUILD / "phonesim"
NIGHTSTAND = BUILD / "nightstand"
# The same, but for a key that the tests sign updates with.
KEYED = BUILD / "tests/keyed/nightstand"


class Skip(Exception):
    """Raised by Rig.skip()."""


class Failed(AssertionError):
    """A comparison did not hold; the text says what was wanted."""


def check(truth, text):
    if not truth:
        raise Failed(text)


def equal(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: wanted {wanted!r}, got {got!r}")


def sha256_file(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def wait_until(what, truth, seconds=20.0, step=0.02):
    """Polls truth() until it is true; its value is returned."""
    end = time.monotonic() + seconds
    while True:
        value = truth()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s in vain for: {what}")
        time.sleep(step)


class Process:
    """A started program with its output in files; ended at the rig's end."""

    def __init__(self, rig, name, args, env=None, **kw):
        self.name = name
        self.out_path = rig.path(f"{name}.out")
        self.err_path = rig.path(f"{name}.err")
        full = dict(os.environ)
        full.update(env or {})
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.p = subprocess.Popen(
                [str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, env=full, **kw)

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def wait(self, seconds=60):
        try:
            return self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(
                f"{self.name} did not end within {seconds} s; it said:\n"
                f"{self.out[-2000:]}\n{self.err[-2000:]}") from None

    def running(self):
        return self.p.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=20):
        if self.running():
            self.p.send_signal(sig)
            try:
                self.p.wait(seconds)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        return self.p.returncode


class Phone:
    """One simulated phone of a Sim."""

    def __init__(self, sim, udid):
        self.sim = sim
        self.udid = udid

    def ctl(self, *words, check_ok=True):
        return self.sim.ctl(f"@{self.udid}", *words, check_ok=check_ok)

    def status(self):
        """Its state; counters of the agent stand beside the rest."""
        st = json.loads(self.ctl("status"))
        return {"files_uploaded": 0, **st, **st.pop("counters")}

    def wait_event(self, text, ms=20000):
        """A line that phonesim logged since the last mark()."""
        return self.sim.ctl("wait-event", text, ms)

    def mark(self):
        self.sim.ctl("mark")

    def hashes(self):
        """{domain-path: Item} of all that the phone holds now."""
        path = self.sim.rig.path(f"hashes-{time.monotonic_ns()}")
        self.ctl("hashes", path)
        return read_hashes(path)


class Item:
    def __init__(self, sha, size, mtime, mode, encrypted_only, file_id):
        self.sha = sha
        self.size = size
        self.mtime = mtime
        self.mode = mode
        self.encrypted_only = encrypted_only
        self.file_id = file_id

    def key(self):
        return (self.sha, self.size, self.mtime, self.mode)

    def __repr__(self):
        return f"<{self.sha[:8]} {self.size} {self.mtime} {self.mode:o}>"


def read_hashes(path):
    items = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            sha, size, mtime, mode, enc, fid, name = \
                line.rstrip("\n").split(" ", 6)
            items[name] = Item(
                sha, int(size), int(mtime), int(mode, 8), enc == "e", fid)
    return items


class Sim:
    """phonesim with its sockets in the rig's folder."""

    def __init__(self, rig, name="sim", phones=(), options=()):
        self.rig = rig
        self.name = name
        self.socket = rig.socket_path(f"{name}.usbmuxd")
        self.control = rig.socket_path(f"{name}.ctl")
        self.state = rig.path(f"{name}.state")
        self.options = list(options)
        self.phones_wanted = list(phones)
        self.start()

    def start(self):
        args = [PHONESIM, "--socket", self.socket, "--control", self.control,
                "--state", self.state]
        for p in self.phones_wanted:
            args += ["--phone", ",".join(f"{k}={v}" for k, v in p.items())]
        self.process = Process(self.rig, self.name, args + self.options)
        self.rig.processes.append(self.process)

        self.starts = getattr(self, "starts", 0) + 1

        def ready():
            if not self.process.running():
                raise Failed(f"phonesim ended: {self.process.err}")
            return self.process.out.count("ready") >= self.starts
        wait_until("phonesim to be ready", ready, 60)

    @property
    def env(self):
        return {"USBMUXD_SOCKET_ADDRESS": f"UNIX:{self.socket}"}

    def ctl(self, *words, check_ok=True):
        line = " ".join(str(w) for w in words) + "\n"
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(str(self.control))
            s.sendall(line.encode())
            reply = b""
            while not reply.endswith(b"\n"):
                part = s.recv(65536)
                if not part:
                    break
                reply += part
        text = reply.decode().strip()
        if check_ok:
            check(text.startswith("ok"), f"phonesim {line.strip()}: {text}")
        return text[3:] if text.startswith("ok") else text

    def phones(self):
        return [Phone(self, u) for u in self.ctl("list").split()]

    def phone(self, index=0):
        return self.phones()[index]

    def stop(self):
        code = self.process.stop()
        return code


class Rig:
    """A test's folder, processes and helpers."""

    def __init__(self, name, base):
        self.name = name
        self.dir = pathlib.Path(base) / name
        self.dir.mkdir(parents=True)
        self.processes = []
        self.cleanups = []
        self.short = None

    # -- life ---------------------------------------------------------------
    def path(self, name):
        return self.dir / name

    def socket_path(self, name):
        """A unix socket's name has 108 bytes at most: short where needed."""
        path = self.path(name)
        if len(str(path)) < 100:
            return path
        if not self.short:
            self.short = tempfile.mkdtemp(prefix="ns-", dir="/tmp")
            self.cleanups.append(
                lambda: shutil.rmtree(self.short, ignore_errors=True))
        return pathlib.Path(self.short) / name

    def skip(self, why):
        raise Skip(why)

    def needs_root(self):
        if os.geteuid() != 0:
            self.skip("needs root (a loop mount)")

    def needs(self, *programs):
        for p in programs:
            if not shutil.which(p):
                raise Failed(f"{p} is not installed")

    def evidence(self, name):
        path = EVIDENCE / "data" / name
        if not path.exists():
            self.skip(f"{NO_RECORDING} ({name})")
        return path

    def end(self):
        """Ends all processes; a sanitizer's report in any is a failure."""
        problems = []
        for p in reversed(self.processes):
            code = p.stop()
            if code not in (0, None, -signal.SIGTERM, -signal.SIGKILL,
                            -signal.SIGINT) and p.name.startswith("sim"):
                problems.append(f"{p.name} ended with {code}: {p.err[-3000:]}")
        for undo in reversed(self.cleanups):
            undo()
        for f in self.dir.glob("*.err"):
            text = f.read_text(errors="replace")
            if re.search(WRONG, text):
                problems.append(f"{f.name}: {text[-4000:]}")
        if problems:
            raise Failed("\n".join(problems))

    # -- phones -------------------------------------------------------------
    def sim(self, *phones, name="sim", options=()):
        """A phonesim with these phones (dicts of options)."""
        defaults = {"files": 60, "bytes": "2M", "plugged": "yes",
                    "trusted": "yes"}
        wanted = [{**defaults, **p} for p in (phones or ({},))]
        sim = Sim(self, name, wanted, options)
        for who in sim.phones():
            who.ctl("set", "dpic", 1000)
            who.ctl("set", "tls_delay_ms", 0)
            who.ctl("set", "scan_ms", 0)
            who.ctl("passcode", "entered", 0)
        return sim

    # -- programs -----------------------------------------------------------
    def run(self, *args, env=None, seconds=120, ok=True, text=True, input=None,
            **kw):
        full = dict(os.environ)
        full.update(env or {})
        r = subprocess.run([str(a) for a in args], capture_output=True,
                           text=text, env=full, timeout=seconds, input=input,
                           errors="replace" if text else None, **kw)
        if re.search(WRONG, r.stderr if text else ""):
            raise Failed(f"{args[0]}: {r.stderr[-4000:]}")
        if ok and r.returncode != 0:
            raise Failed(f"{' '.join(str(a) for a in args)} ended with "
                         f"{r.returncode}:\n{r.stdout[-3000:]}\n"
                         f"{r.stderr[-3000:]}")
        return r

    def nightstand(self, *args, sim=None, **kw):
        env = dict(kw.pop("env", {}))
        if sim:
            env.update(sim.env)
        return self.run(NIGHTSTAND, *args, env=env, **kw)

    def start_nightstand(self, *args, sim=None, name="nightstand", env=None,
                         program=NIGHTSTAND):
        full = dict(env or {})
        if sim:
            full.update(sim.env)
        p = Process(self, name, [program, *args], env=full)
        self.processes.append(p)
        return p

    def peak_of_backup(self, sim, phone, vault):
        """Backs up; KiB of the larger of its processes at its peak."""
        with open(self.path("peak.err"), "wb") as err:
            p = subprocess.Popen(
                [NIGHTSTAND, "backup", "--vault", vault, "--udid",
                 phone.udid], stdout=subprocess.DEVNULL, stderr=err,
                env={**os.environ, **sim.env})
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        equal(p.returncode, 0, "exit status of a measured backup")
        return usage.ru_maxrss

    def backup(self, sim, phone, vault, *args, **kw):
        return self.nightstand("backup", "--vault", vault, "--udid",
                               phone.udid, *args, sim=sim, **kw)

    # -- disks --------------------------------------------------------------
    def small_disk(self, megabytes, mkfs=("mkfs.ext4", "-q", "-F", "-m", "0")):
        """A loop-mounted file system of that size."""
        self.needs_root()
        image = self.path("disk.img")
        with open(image, "wb") as f:
            f.truncate(megabytes << 20)
        self.run(*mkfs, image)
        mount = self.path("disk")
        mount.mkdir()
        self.run("mount", "-o", "loop", image, mount)
        self.cleanups.append(
            lambda: subprocess.run(["umount", "-l", str(mount)], check=False))
        return mount

    # -- the vault ----------------------------------------------------------
    def latest(self, vault, phone):
        return (pathlib.Path(vault) / "Nightstand" / phone.udid / "latest" /
                phone.udid)

    def tree(self, folder):
        """{relative path: sha256} of all files, and None for folders."""
        out = {}
        folder = pathlib.Path(folder)
        for base, dirs, files in os.walk(folder):
            rel = pathlib.Path(base).relative_to(folder)
            for d in dirs:
                out[str(rel / d)] = None
            for f in files:
                path = pathlib.Path(base) / f
                if path.is_file():  # not a socket
                    out[str(rel / f)] = sha256_file(path)
        return out

    def compare_plain(self, backup, phone_items):
        """An unencrypted Apple folder against the phone's own hashes."""
        wanted = {i.file_id: (name, i) for name, i in phone_items.items()
                  if i.sha != "-" and not i.encrypted_only}
        found = {}
        for sub in pathlib.Path(backup).iterdir():
            if sub.is_dir():
                check(re.fullmatch("[0-9a-f]{2}", sub.name),
                      f"folder {sub.name} does not belong in a backup")
                for f in sub.iterdir():
                    check(f.name.startswith(sub.name), f"{f} is misplaced")
                    found[f.name] = f
        missing = wanted.keys() - found.keys()
        extra = found.keys() - wanted.keys()
        check(not missing, f"{len(missing)} files are missing: "
              f"{[wanted[m][0] for m in list(missing)[:3]]}")
        check(not extra, f"{len(extra)} files too many: {list(extra)[:3]}")
        for fid, (name, item) in wanted.items():
            equal(found[fid].stat().st_size, item.size, f"size of {name}")
            equal(sha256_file(found[fid]), item.sha, f"content of {name}")
        return len(wanted)


@contextlib.contextmanager
def timed(what):
    start = time.monotonic()
    yield
    print(f"    {what}: {time.monotonic() - start:.2f} s")
