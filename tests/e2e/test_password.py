"""The backup password: switched on, changed, switched off; and that no part of
the box keeps or tells it."""

import mbformat
from harness import check, equal

FIRST = "correct horse Größe 7"
SECOND = "another one, 1%+&="


def password(t, sim, phone, *words, args=(), ok=True):
    return t.nightstand("password", "--udid", phone.udid, *args, sim=sim,
                        input="".join(f"{w}\n" for w in words), ok=ok)


def compare_encrypted(backup, phone, word):
    files = mbformat.read_backup(str(backup), word)
    wanted = {n: i for n, i in phone.hashes().items() if i.sha != "-"}
    equal(sorted(files), sorted(wanted), "names")
    for name, item in wanted.items():
        equal(files[name].sha256, item.sha, f"content of {name}")


def test_by_hand_on_change_off(t):
    sim = t.sim({"name": "Ana"})
    phone = sim.phone()
    vault = t.path("disk")
    vault.mkdir()
    t.backup(sim, phone, vault)
    r = password(t, sim, phone, args=("--off",))
    check("not encrypted" in r.stdout, r.stdout)
    r = password(t, sim, phone, FIRST)
    check("are encrypted" in r.stdout, r.stdout)
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
