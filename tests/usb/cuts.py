"""The cable pulled at random bytes of a night, again and again: the backup
that was there stays as it was, byte by byte, and in the end a night is whole."""

import collections
import itertools
import os
import random

from harness import equal, wait_until

# What a night of this phone sends is between a tenth and all of it.
NIGHT = 1 << 20
BEFORE = "before the backup"  # these come on top of those that were asked for


def lot(dice, i):
    """Every fourth one near the beginning, where each byte is another step:
    plug, version, pairing, TLS, the services. The others anywhere."""
    if i % 4 == 0:
        return int(2 ** dice.uniform(0, 17))
    return int(dice.uniform(0, NIGHT * 1.1))


def n_safe(b):
    return int(b.run("grep -c 'backup is safe' /tmp/box.err", ok=False))


def wait_sessions(b):
    """Until all that began have ended: one whose phone is gone may still
    commit, when the last byte had come."""
    wait_until("the session's end", lambda: len(set(b.run(
        "grep -c -- '-> seen on' /tmp/box.err; "
        "grep -c 'session ended state' /tmp/box.err",
        ok=False).split())) == 1, 120, 0.2)


def digest(b, phone):
    """One line for all bytes of the guest's plain backup."""
    return b.run(f"cd /disk/v/Nightstand/{phone.udid}/latest/{phone.udid} && "
                 "find . -type f -exec sha256sum {} + | sort | sha256sum")


def until_cut(b, phone, nights):
    """Waits until the phone has pulled its cable, or pulls it once the night
    was whole before that many bytes; what it was doing."""
    def over():
        if not phone.status()["plugged"]:
            return "cut"
        return "whole" if n_safe(b) > nights else None

    how = wait_until("the cut, or the night's end", over, 120, 0.1)
    if how == "whole":
        phone.ctl("unplug")
    began = phone.ctl("wait-event", "backup begin", 1, check_ok=False)
    if "backup begin" not in began:
        return BEFORE
    if how == "whole":
        return "after its last byte"
    return phone.status()["last_point"].split(":")[0]


def one_cut(b, phone, bytes_, seed):
    """(where it was cut, whether the night was whole all the same)"""
    nights = n_safe(b)
    phone.ctl("mutate", "change=12", "add=1", "remove=1", f"seed={seed}")
    phone.mark()
    phone.ctl("plug")
    phone.ctl("cut", bytes_)
    where = until_cut(b, phone, nights)
    b.wait_listed()
    wait_sessions(b)
    return where, n_safe(b) > nights


def compare(b, phone):
    out = b.run(f"cd /disk/v/Nightstand/{phone.udid}/latest/{phone.udid} && "
                "find . -type f -exec sha256sum {} +")
    got = {os.path.basename(line.split()[1]): line.split()[0]
           for line in out.splitlines()}
    for name, item in phone.hashes().items():
        if item.sha != "-" and not item.encrypted_only:
            equal(got.get(item.file_id), item.sha, name)


def test_pulled_in_the_middle_of_a_backup(b):
    phone = b.phone(files=40, bytes=NIGHT)
    b.box()
    phone.ctl("plug")
    wait_until("safe", lambda: n_safe(b) == 1, 180, 0.2)
    phone.ctl("unplug")
    b.wait_listed()
    kept = digest(b, phone)
    dice = random.Random(b.opts.seed)
    where, inside = collections.Counter(), 0
    for i in itertools.count():
        if inside == b.opts.cuts:
            break
        bytes_ = lot(dice, i)
        at, whole = one_cut(b, phone, bytes_, 1000 * b.opts.seed + i)
        where[at] += 1
        inside += at != BEFORE
        assert i < 20 + 4 * b.opts.cuts, f"hardly a backup begins: {dict(where)}"
        now = digest(b, phone)
        if whole:
            kept = now
        equal(now, kept, f"the backup after cut {i}, byte {bytes_}, {at}")
        if (i + 1) % 20 == 0:
            print(f"    {i + 1} cuts: {dict(where)}", flush=True)
    print(f"    {i} cuts: {dict(where)}; {n_safe(b)} nights whole")
    nights = n_safe(b)
    phone.ctl("plug")
    wait_until("safe again", lambda: n_safe(b) > nights, 180, 0.2)
    compare(b, phone)
    # All nights that are kept, read again; it ends with 0 when all is well.
    b.run("nightstand verify --vault /disk/v 2>&1", seconds=300)
