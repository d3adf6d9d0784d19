"""More than one at a time: two phones into one vault, a second opener, and
readers beside a running backup."""

import json
import re
import signal
import sqlite3
import subprocess
import threading
import time

from harness import NIGHTSTAND, check, equal, wait_until

BUSY = 34


def start_backup(t, sim, phone, name, *args):
    return t.start_nightstand("backup", "--vault", t.dir, "--udid",
                              phone.udid, *args, sim=sim, name=name)


def test_two_phones_make_one_vault(t):
    sim = t.sim({"seed": 1}, {"seed": 2})
    phones = sim.phones()
    equal(len(phones), 2, "phones")
    for turn in range(3):
        base = t.path(f"disk{turn}")
        base.mkdir()
        runs = [t.start_nightstand(
            "backup", "--vault", base, "--udid", p.udid, sim=sim,
            name=f"b{turn}{i}") for i, p in enumerate(phones)]
        for r in runs:
            equal(r.wait(), 0, f"exit status: {r.err}")
        for p in phones:
            t.compare_plain(t.latest(base, p), p.hashes())
        t.nightstand("verify", "--vault", base)
        equal(sorted(p.name for p in (base / "Nightstand").iterdir()),
              sorted(["VAULT"] + [p.udid for p in phones]), "Nightstand/")


def in_the_middle(t, sim, phone, *args):
    """A backup that has received some files and waits for the phone."""
    p = start_backup(t, sim, phone, "first", *args)
    incoming = t.dir / "Nightstand" / phone.udid / "incoming"
    wait_until("files to arrive", lambda: any(
        f.is_file() for f in incoming.glob("**/*")), 30)
    return p


def slow_phone(t):
    """A backup of it takes long enough to be met in the middle."""
    return t.sim({"files": 400, "bytes": "60M"})


def test_the_second_is_told_who_is_there(t):
    sim = slow_phone(t)
    phone = sim.phone()
    first = in_the_middle(t, sim, phone)
    sim.process.p.send_signal(signal.SIGSTOP)
    try:
        check(first.running(), f"the first ended: {first.err}")
        r = t.nightstand("repair", "--vault", t.dir, "--udid", phone.udid,
                         ok=False)
        equal(r.returncode, BUSY, r.stderr)
        check(re.search(rf"in use by nightstand backup \(process "
                        rf"{first.p.pid}\) since (today|yesterday)", r.stderr), r.stderr)
        # A reader is not in its way, nor it in the reader's.
        r = t.nightstand("snapshots", "--vault", t.dir)
        check("no backup yet" in r.stdout, r.stdout)
    finally:
        sim.process.p.send_signal(signal.SIGCONT)
    equal(first.wait(), 0, first.err)
    r = t.nightstand("repair", "--vault", t.dir)
    check("nothing to repair" in r.stdout, r.stdout)


def test_a_second_backup_of_the_same_phone(t):
    sim = slow_phone(t)
    phone = sim.phone()
    t.backup(sim, phone, t.dir)
    # Who holds the folder may be any program, and holds it as long as it lives.
    holder = subprocess.Popen(
        ["flock", t.dir / "Nightstand" / phone.udid, "sleep", "60"])
    try:
        wait_until("the lock", lambda: t.nightstand(
            "repair", "--vault", t.dir, ok=False).returncode == BUSY)
        r = t.backup(sim, phone, t.dir, ok=False)
        equal(r.returncode, BUSY, r.stderr)
        check(re.search(r"in use by (flock|sleep).* \(process \d+\) since "
                        r"(today|yesterday)", r.stderr), r.stderr)
    finally:
        subprocess.run(["pkill", "-P", str(holder.pid)], check=False)
        holder.kill()
        holder.wait()
    # A process that was killed holds nothing: nothing has to be cleared.
    t.backup(sim, phone, t.dir)


def test_readers_beside_a_running_backup(t):
    sim = slow_phone(t)
    phone = sim.phone()
    t.backup(sim, phone, t.dir)
    seen = {"snapshots": 0, "files": 0, "verify": 0}
    wrong = []
    done = threading.Event()

    def read(command):
        while not done.is_set():
            r = subprocess.run(
                [NIGHTSTAND, command, "--vault", t.dir, "--snapshot", "1"]
                if command != "snapshots" else
                [NIGHTSTAND, command, "--vault", t.dir],
                capture_output=True, text=True)
            seen[command] += 1
            if r.returncode:
                wrong.append((command, r.returncode, r.stderr))

    readers = [threading.Thread(target=read, args=(c,)) for c in seen]
    for r in readers:
        r.start()
    try:
        for _ in range(3):
            phone.ctl("mutate")
            t.backup(sim, phone, t.dir)
    finally:
        done.set()
        for r in readers:
            r.join()
    print("   ", seen)
    check(all(n >= 3 for n in seen.values()), f"{seen}")
    equal(wrong, [], "readers that failed")
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())
    t.nightstand("verify", "--vault", t.dir)


def test_a_slow_reader_holds_up_no_commit(t):
    sim = t.sim({"files": 1500, "bytes": "3M"})
    phone = sim.phone()
    t.backup(sim, phone, t.dir)
    # Its output is not taken: it stands in the middle of the list.
    reader = subprocess.Popen(
        [NIGHTSTAND, "files", "--vault", t.dir, "--snapshot", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = reader.stdout.readline()
    check(re.match("[0-9a-f]{64} ", first), first)
    time.sleep(0.3)
    phone.ctl("mutate")
    begin = time.monotonic()
    t.backup(sim, phone, t.dir)
    took = time.monotonic() - begin
    check(reader.poll() is None, "the reader was not slow")
    check(took < 30, f"the commit waited for the reader: {took:.1f} s")
    rest = reader.stdout.read()
    equal(reader.wait(60), 0, reader.stderr.read())
    paths = [line.split(None, 3)[2] for line in (first + rest).splitlines()]
    equal(len(paths), len(set(paths)), "each once")
    equal(paths, sorted(paths), "in order")
    n = json.loads(t.nightstand("snapshots", "--vault", t.dir,
                                "--json").stdout)
    equal([s["id"] for s in n], [2, 1], "both nights")
    equal(len(paths), n[1]["files"], "all of them")
