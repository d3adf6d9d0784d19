"""Debian's own tools against the simulated phone: what they can't do with it
is a bug of the simulator."""

import plistlib

import mbformat
from harness import check, equal, wait_until


def peer_backup(t, sim, phone, folder, *extra, ok=True):
    folder.mkdir(exist_ok=True)
    return t.run("idevicebackup2", "-u", phone.udid, "backup", *extra, folder,
                 env=sim.env, ok=ok)


def decoded(folder, password=None):
    return mbformat.read_backup(str(folder), password)


def compare_decoded(files, items, encrypted):
    wanted = {n: i for n, i in items.items()
              if i.sha != "-" and (encrypted or not i.encrypted_only)}
    equal(sorted(files)[:5], sorted(wanted)[:5], "names")
    equal(len(files), len(wanted), "number of files")
    for name, item in wanted.items():
        equal(files[name].sha256, item.sha, f"content of {name}")
        equal(files[name].size, item.size, f"size of {name}")


def test_idevice_id_lists_plugged_phones_only(t):
    sim = t.sim({"seed": 1}, {"seed": 2, "plugged": "no"})
    out = t.run("idevice_id", "-l", env=sim.env).stdout.split()
    equal(out, [p.udid for p in sim.phones() if p.status()["plugged"]],
          "idevice_id -l")


def test_ideviceinfo_reads_values_in_a_session(t):
    sim = t.sim()
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    xml = t.run("ideviceinfo", "-u", phone.udid, "-x", env=sim.env).stdout
    info = plistlib.loads(xml.encode())
    equal(info["UniqueDeviceID"], phone.udid, "UniqueDeviceID")
    equal(info["ProductType"], "iPhone15,4", "ProductType")
    check(info["ProductVersion"].startswith("18"), info["ProductVersion"])
    domain = plistlib.loads(t.run(
        "ideviceinfo", "-u", phone.udid, "-x", "-q", "com.apple.mobile.backup",
        env=sim.env).stdout.encode())
    equal(domain["WillEncrypt"], False, "WillEncrypt")
    equal(type(domain["RequiresEncryption"]), int, "RequiresEncryption's type")


def test_ideviceinfo_without_pairing_sees_the_open_keys(t):
    sim = t.sim({"trusted": "no"})
    phone = sim.phone()
    xml = t.run("ideviceinfo", "-s", "-u", phone.udid, "-x",
                env=sim.env).stdout
    info = plistlib.loads(xml.encode())
    equal(info["UniqueDeviceID"], phone.udid, "UniqueDeviceID")
    check("PhoneNumber" not in info, "PhoneNumber needs a session")


def test_idevicepair_asks_for_trust(t):
    sim = t.sim({"trusted": "no"})
    phone = sim.phone()
    r = t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env, ok=False)
    check("trust dialog" in r.stdout + r.stderr, r.stdout + r.stderr)
    phone.ctl("trust")
    r = t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    check("SUCCESS" in r.stdout, r.stdout)
    r = t.run("idevicepair", "-u", phone.udid, "validate", env=sim.env)
    check("SUCCESS" in r.stdout, r.stdout)
    r = t.run("idevicepair", "-u", phone.udid, "unpair", env=sim.env)
    check("SUCCESS" in r.stdout, r.stdout)
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env, ok=False)
    phone.ctl("deny")
    r = t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env, ok=False)
    check("denied" in r.stdout + r.stderr, r.stdout + r.stderr)


def test_idevicepair_on_a_locked_phone(t):
    sim = t.sim({"trusted": "no"})
    phone = sim.phone()
    phone.ctl("lock")
    r = t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env, ok=False)
    check("passcode" in r.stdout + r.stderr, r.stdout + r.stderr)


def test_idevicebackup2_full_backup_equals_the_phone(t):
    sim = t.sim({"files": 300, "bytes": "20M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    r = peer_backup(t, sim, phone, t.path("b"))
    check("Backup Successful" in r.stdout, r.stdout[-500:])
    items = phone.hashes()
    t.compare_plain(t.path("b") / phone.udid, items)
    compare_decoded(decoded(t.path("b") / phone.udid), items, False)


def test_idevicebackup2_incremental_sends_what_changed(t):
    sim = t.sim({"files": 300, "bytes": "10M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    peer_backup(t, sim, phone, t.path("b"))
    before = phone.status()["files_uploaded"]
    phone.ctl("mutate", "grow=3", "change=5", "remove=4", "rename=2", "add=6",
              "seed=9")
    peer_backup(t, sim, phone, t.path("b"))
    sent = phone.status()["files_uploaded"] - before
    check(16 <= sent <= 40, f"an incremental night sent {sent} files")
    t.compare_plain(t.path("b") / phone.udid, phone.hashes())
    peer_backup(t, sim, phone, t.path("b"), "--full")
    t.compare_plain(t.path("b") / phone.udid, phone.hashes())


test_idevicebackup2_incremental_sends_what_changed.slow = 13


def test_idevicebackup2_encryption_on_changepw_off(t):
    sim = t.sim({"files": 120, "bytes": "4M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)

    def encryption(*words):
        return t.run("idevicebackup2", "-u", phone.udid, *words, t.path("b"),
                     env=sim.env, ok=False)
    t.path("b").mkdir()
    encryption("encryption", "on", "first word")
    peer_backup(t, sim, phone, t.path("b"))
    items = phone.hashes()
    compare_decoded(decoded(t.path("b") / phone.udid, "first word"), items,
                    True)
    r = encryption("changepw", "wrong", "second")
    check(r.returncode != 0, "a wrong old password was accepted")
    encryption("changepw", "first word", "zweites Wört")
    peer_backup(t, sim, phone, t.path("b"))
    compare_decoded(decoded(t.path("b") / phone.udid, "zweites Wört"), items,
                    True)
    encryption("encryption", "off", "zweites Wört")
    peer_backup(t, sim, phone, t.path("b"))
    compare_decoded(decoded(t.path("b") / phone.udid), items, False)


test_idevicebackup2_encryption_on_changepw_off.slow = 23


def peer_restore(t, sim, phone, folder, *extra, ok=True):
    return t.run("idevicebackup2", "-u", phone.udid, "restore", "--system",
                 "--settings", *extra, folder, env=sim.env, ok=ok)


def test_idevicebackup2_restore_to_a_wiped_phone(t):
    sim = t.sim({"files": 200, "bytes": "8M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    peer_backup(t, sim, phone, t.path("b"))
    items = {n: i.key() for n, i in phone.hashes().items()
             if not i.encrypted_only}
    phone.ctl("wipe")
    equal(len(phone.hashes()), 0, "items after the wipe")
    peer_restore(t, sim, phone, t.path("b"))
    wait_until("the phone's restart", lambda: phone.status()["plugged"])
    equal({n: i.key() for n, i in phone.hashes().items()}, items,
          "what the phone holds after the restore")


test_idevicebackup2_restore_to_a_wiped_phone.slow = 14


def test_idevicebackup2_restore_of_an_encrypted_backup(t):
    sim = t.sim({"files": 80, "bytes": "2M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    t.path("b").mkdir()
    t.run("idevicebackup2", "-u", phone.udid, "encryption", "on", "pw",
          t.path("b"), env=sim.env, ok=False)
    peer_backup(t, sim, phone, t.path("b"))
    items = {n: i.key() for n, i in phone.hashes().items()}
    phone.ctl("wipe")
    r = peer_restore(t, sim, phone, t.path("b"), "--password", "nope", ok=False)
    check(r.returncode != 0, "a wrong password restored")
    peer_restore(t, sim, phone, t.path("b"), "--password", "pw")
    wait_until("the phone's restart", lambda: phone.status()["plugged"])
    equal({n: i.key() for n, i in phone.hashes().items()}, items,
          "what the phone holds after the restore")


test_idevicebackup2_restore_of_an_encrypted_backup.slow = 14


def test_idevicebackup2_list_and_info_fail_as_on_real_phones(t):
    sim = t.sim({"files": 20})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    peer_backup(t, sim, phone, t.path("b"))
    for word in ("list", "info"):
        r = t.run("idevicebackup2", "-u", phone.udid, word, t.path("b"),
                  env=sim.env, ok=False)
        check("205" in r.stdout + r.stderr or r.returncode != 0,
              f"{word}: {r.stdout} {r.stderr}")


def test_two_generations_of_identifiers(t):
    for form, length in (("dash24", 25), ("hex40", 40)):
        sim = t.sim({"format": form}, name=f"sim-{form}")
        udid = sim.phone().udid
        equal(len(udid), length, f"UDID of a {form} phone")
        sim.stop()


def test_unplug_ends_a_peers_backup_and_the_next_goes_on(t):
    sim = t.sim({"files": 200, "bytes": "8M"})
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    phone.ctl("at", "upload-file:90", "unplug")
    r = peer_backup(t, sim, phone, t.path("b"), ok=False)
    check(r.returncode != 0, "the backup ended well without its phone")
    phone.ctl("plug")
    peer_backup(t, sim, phone, t.path("b"))
    t.compare_plain(t.path("b") / phone.udid, phone.hashes())


test_unplug_ends_a_peers_backup_and_the_next_goes_on.slow = 11
