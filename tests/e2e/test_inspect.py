"""vaultdump: what it prints, what it finds, and that it writes nothing."""

import json
import os
import shutil
import signal

from harness import BUILD, check, equal, wait_until

VAULTDUMP = BUILD / "vaultdump"


def dump(t, *args, code=0):
    r = t.run(VAULTDUMP, *args, t.dir, ok=False)
    equal(r.returncode, code, f"vaultdump's exit status: {r.stdout}{r.stderr}")
    return r.stdout


def dump_json(t, *args, code=0):
    return json.loads(dump(t, "--json", *args, code=code))


def two_nights(t):
    sim = t.sim({"files": 120})
    phone = sim.phone()
    t.backup(sim, phone, t.dir)
    phone.ctl("mutate")
    t.backup(sim, phone, t.dir)
    return sim, phone


def test_a_good_vault_fits(t):
    sim, phone = two_nights(t)
    before = t.tree(t.dir / "Nightstand")
    text = dump(t)
    check("rows and disk fit each other" in text, text)
    check("journal: empty" in text and "overlay of a night: empty" in text,
          text)
    d = dump_json(t, "--entries")
    check(d["fits"], d)
    p = d["phones"][0]
    equal(p["udid"], phone.udid, "udid")
    equal([s["id"] for s in p["snapshots"]], [2, 1], "snapshots")
    equal(p["tables"]["format"], 2, "format")
    # The intervals add up to what each snapshot says of itself.
    for s in p["snapshots"]:
        mine = [i for i in p["intervals"] if i["first"] <= s["id"]
                and (i["last"] == 0 or i["last"] >= s["id"])]
        equal(sum(i["files"] for i in mine), s["files"], "files")
        equal(sum(i["bytes"] for i in mine), s["bytes"], "bytes")
    # … and so do the rows, which are in path order and name real files.
    keys = [(e["path"], e["first"]) for e in p["entries"]]
    equal(keys, sorted(keys), "path order")
    equal(len(keys), sum(i["files"] + i["folders"] for i in p["intervals"]),
          "rows")
    root = t.dir / "Nightstand" / phone.udid
    for e in p["entries"]:
        if e["kind"] == "file":
            equal((root / e["file"]).stat().st_size, e["size"], e["path"])
    equal(t.tree(t.dir / "Nightstand"), before, "nothing was written")


def test_it_finds_what_does_not_fit(t):
    sim, phone = two_nights(t)
    root = t.dir / "Nightstand" / phone.udid
    latest = t.latest(t.dir, phone)
    files = [p for p in sorted(latest.glob("*/*")) if p.stat().st_size > 9]
    objects = sorted((root / "objects").glob("*/*"))
    check(objects, "no objects")
    files[0].unlink()
    os.truncate(files[1], 3)
    shutil.move(files[2], files[2].with_name("0" * 40))
    files[3].unlink()
    files[3].mkdir()
    objects[0].unlink()
    extra = root / "objects" / "ab" / ("ab" + "0" * 62)
    extra.parent.mkdir(exist_ok=True)
    extra.write_text("nobody needs it")
    (root / "notes.txt").write_text("a person's")
    (root / "objects" / "holiday.jpg").write_text("a person's")
    (latest / ".DS_Store").write_text("a Mac's")
    (t.dir / "Nightstand" / "README").write_text("a person's")
    before = t.tree(t.dir / "Nightstand")
    d = dump_json(t, code=1)
    check(not d["fits"], d)
    equal(d["strangers"], ["README"], "beside VAULT")
    found = {}
    for f in d["phones"][0]["findings"]:
        found.setdefault(f["what"], []).append(f["path"])
    rel = [str(f.relative_to(root)) for f in files[:4]]
    equal(sorted(found["missing"]),
          sorted([rel[0], rel[2], str(objects[0].relative_to(root))]),
          "missing")
    equal(found["wrong size"], [rel[1]], "wrong size")
    equal(found["wrong kind"], [rel[3]], "wrong kind")
    equal(found["file without a row"],
          [str(files[2].with_name("0" * 40).relative_to(root))], "no row")
    equal(found["object without a row"], [str(extra.relative_to(root))],
          "object")
    equal(sorted(found["stranger"]),
          sorted(["notes.txt", "objects/holiday.jpg",
                  str((latest / ".DS_Store").relative_to(root))]),
          "strangers")
    text = dump(t, code=1)
    check("(3 bytes, should be" in text, text)
    equal(t.tree(t.dir / "Nightstand"), before, "nothing was written")
    # A broken catalogue is said, with what helps.
    (root / "catalog.db").write_bytes(b"garbage" * 999)
    check("nightstand repair" in dump(t, code=1), "the advice")


def test_beside_a_running_backup(t):
    sim = t.sim({"files": 400, "bytes": "60M"})
    phone = sim.phone()
    p = t.start_nightstand("backup", "--vault", t.dir, "--udid", phone.udid,
                           sim=sim)
    incoming = t.dir / "Nightstand" / phone.udid / "incoming"
    wait_until("files to arrive", lambda: any(
        f.is_file() for f in incoming.glob("**/*")), 30)
    sim.process.p.send_signal(signal.SIGSTOP)
    try:
        r = t.run(VAULTDUMP, t.dir)
        check(f"in use by nightstand backup (process {p.p.pid})" in r.stdout,
              r.stdout)
        check("staged file without a row" in r.stdout, r.stdout)
    finally:
        sim.process.p.send_signal(signal.SIGCONT)
    equal(p.wait(), 0, p.err)
    check("rows and disk fit each other" in dump(t), "afterwards")


def test_words_on_the_command_line(t):
    equal(t.run(VAULTDUMP, ok=False).returncode, 2, "no folder")
    equal(t.run(VAULTDUMP, "--nonsense", t.dir, ok=False).returncode, 2, "?")
    equal(t.run(VAULTDUMP, t.dir, ok=False).returncode, 3, "no vault")
    check("Writes nothing" in t.run(VAULTDUMP, "--help").stdout, "help")
