"""Disks that come and go."""

import ctypes
import os
import shutil
import struct
import subprocess

import test_phone
import vm


def is_clean(path):
    """After the journal: -n alone would call what waits in it an error."""
    subprocess.run(["e2fsck", "-p", str(path)], capture_output=True)
    return subprocess.run(["e2fsck", "-fn", str(path)], capture_output=True).returncode == 0


def test_ext4_is_mounted_and_left(rig):
    disk = rig.disk("mine", ["mkfs.ext4", "-q", "-L", "mine"])
    m = rig.running()
    m.wait_state("no_disk")
    m.plug_disk(disk)
    m.wait_state("ready")
    m.pull_disk()
    m.wait_line(r"the disk was pulled")
    m.wait_state("no_disk")
    assert is_clean(disk)
    m.plug_disk(disk)
    m.wait_state("ready")


def test_exfat_is_mounted(rig):
    """As most disks come from the shop: in the one partition of a table."""
    disk = rig.disk("shop")
    whole = rig.disk("part", ["mkfs.exfat"], mib=200).read_bytes()
    write(disk, 446, bytes((0, 0, 2, 0, 7, 0, 0, 0, 0, 8, 0, 0)) + (200 * 2048).to_bytes(4, "little"))
    write(disk, 510, b"\x55\xaa")
    write(disk, 2048 * 512, whole)
    m = rig.running()
    m.plug_disk(disk)
    m.wait_line(r"fs=exfat")
    m.wait_state("ready")
    m.pull_disk()
    m.wait_state("no_disk")


def test_empty_disk_is_prepared(rig):
    disk = rig.disk("empty")
    m = rig.running()
    m.plug_disk(disk)
    m.wait_line(r"an empty disk is prepared")
    m.wait_state("ready")
    m.cut()
    assert is_clean(disk)


def test_cut_while_it_is_prepared(rig):
    """By a box that remembers it: begun again until it is whole. Another box
    asks first."""
    disk, card = rig.disk("empty"), rig.card()
    # At six writes a second the mark is there after one, mke2fs runs from 4 to 14.
    for after in (2, 7):
        m = rig.vm(card).start()
        m.wait_line(r"nightstand [0-9.]+ begins")
        m.plug_disk(disk, via=m.slow_writes(6))
        m.wait_line(r"disk (is|whose preparation was cut short is) prepared")
        m.sleep(after)
        m.cut()
    half = rig.disk("half")
    half.write_bytes(disk.read_bytes())
    before = half.read_bytes()
    m = rig.vm(card, disks=[disk]).start()
    m.wait_line(r"cut short is prepared")
    m.wait_state("ready")
    m.cut()
    assert is_clean(disk)
    m = rig.vm(rig.card(), disks=[half]).start()
    m.wait_state("disk_unfit")
    st = m.owner().status()
    assert "while it was being prepared" in st["headline"] and st["disk"]["offer"], st
    m.cut()
    assert half.read_bytes() == before, "another box has written to it"


def test_data_is_never_overwritten(rig):
    """What is not empty is told, and not a byte of it changes."""
    disks = [("fat", ["mkfs.vfat", "-F", "32"]), ("btrfs", ["mkfs.btrfs", "-q"]), ("table", None),
             ("text", None), ("late", None)]
    m = rig.running()
    for name, make in disks:
        path = rig.disk(name, make)
        if name == "table":
            write(path, 446, b"\x00\x00\x02\x00\x0c\x00\x00\x00\x00\x08\x00\x00\x00\x00\x04\x00")
            write(path, 510, b"\x55\xaa")
        if name == "text":
            write(path, 5 << 20, b"somebody's only copy")
        if name == "late":
            write(path, 200 << 20, b"x" * 300000)
        before = path.read_bytes()
        m.plug_disk(path, name)
        m.wait_state("disk_unfit")
        assert path.read_bytes() == before, f"{name} was written to"
        m.pull_disk(name)
        m.wait_state("no_disk")


def write(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def test_damaged_disk_is_told(rig):
    """What a check can't mend without a choice: a person is to see to it."""
    disk = rig.disk("broken", ["mkfs.ext4", "-q"])
    for inode in ("<2>", "<8>"):
        subprocess.run(["debugfs", "-w", "-R", f"sif {inode} mode 0", str(disk)], check=True,
                       capture_output=True)
    m = rig.running()
    m.plug_disk(disk)
    st = m.wait_state("disk_readonly")
    assert st["led"]["id"] == "no_disk", st["led"]


def test_readonly_disk_is_told(rig):
    disk = rig.disk("switch", ["mkfs.ext4", "-q"])
    m = rig.running()
    m.plug_disk(disk, readonly=True)
    m.wait_state("disk_readonly")


def test_second_disk_while_the_first_is_bad(rig):
    m = rig.running()
    m.plug_disk(rig.disk("fat", ["mkfs.vfat", "-F", "32"]), "one")
    m.wait_state("disk_unfit")
    m.plug_disk(rig.disk("good", ["mkfs.ext4", "-q"]), "two")
    m.wait_state("ready")


def two_parts(rig):
    """Two partitions of ext4 on one disk, and where each begins."""
    disk = rig.disk("two", mib=300)
    starts = (1 << 20, 150 << 20)
    table = b"".join(struct.pack("<4xB3xII", 0x83, start >> 9, (147 << 20) >> 9)
                     for start in starts)
    write(disk, 446, table + bytes(32) + b"\x55\xaa")
    for start in starts:
        subprocess.run(["mkfs.ext4", "-q", "-E", f"offset={start}", str(disk), "140M"],
                       check=True, capture_output=True)
    return disk, starts


def test_ejected_until_it_comes_again(rig):
    """All of it: the other partition is not mounted in its place."""
    disk, starts = two_parts(rig)
    m = rig.running()
    m.plug_disk(disk)
    m.wait_state("ready")
    owner = m.owner()
    assert owner.do("eject") == 200
    m.wait_state("disk_ejected")
    for _ in range(4):  # looks of the box pass
        m.sleep(3)
        st = m.status()
        assert st["state"] == "disk_ejected", st["state"]
    for start in starts:
        r = subprocess.run(["e2fsck", "-fn", f"{disk}?offset={start}"], capture_output=True)
        assert r.returncode == 0, r.stdout
    assert owner.do("use_disk") == 200
    m.wait_state("ready")
    assert owner.do("eject") == 200
    m.wait_state("disk_ejected")
    m.pull_disk()
    m.wait_state("no_disk")
    m.plug_disk(disk)
    m.wait_state("ready")


def test_prepared_by_its_owner_only(rig):
    disk = rig.disk("fat", ["mkfs.vfat", "-F", "32"])
    m = rig.running()
    m.plug_disk(disk)
    offer = m.wait_state("disk_unfit")["disk"]["offer"]
    before = disk.read_bytes()
    owner = m.owner()
    assert owner.do("prepare", disk=offer, pin="000000") == 403
    assert owner.do("prepare", disk="another", pin=owner.pin) == 400
    m.sleep(3)
    assert disk.read_bytes() == before, "it was written to"
    assert owner.do("prepare", disk=offer, pin=owner.pin) == 200
    m.wait_state("ready")
    m.cut()
    assert is_clean(disk)


def vault(rig, name):
    """A backup of one phone, made on this machine: the vault's folder."""
    if not (test_phone.BUILD / "phonesim").exists():
        raise vm.Skip("no phonesim: make all")
    folder, mux = rig.dir / name, rig.dir / f"{name}.mux"
    folder.mkdir()
    phone = test_phone.Phone(rig, f"{name}-", ("--socket", str(mux)), trusted="yes", files=20,
                             bytes="1M")
    done = subprocess.run([str(test_phone.BUILD / "nightstand"), "backup", "--vault", str(folder)],
                          env=dict(os.environ, USBMUXD_SOCKET_ADDRESS=f"UNIX:{mux}"),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    phone.proc.kill()
    return folder


def wait_kept(m, wanted):
    """The box says that it has so many backups."""
    for _ in range(60):
        have = sum(p["versions"] for p in m.status()["phones"])
        if have == wanted:
            return
        m.sleep(1)
    raise vm.Failed(f"{have} backups, not {wanted}")


def test_known_by_its_id_not_its_port(rig):
    """Another disk at the same port has other backups; with both in, at
    whatever ports, the one that was used last is taken."""
    folder = vault(rig, "mine")
    mine = rig.disk("a", ["mkfs.ext4", "-q", "-d", str(folder)])
    other = rig.disk("b", ["mkfs.ext4", "-q"])
    m = rig.running()
    card = m.card
    for disk, wanted in ((mine, 1), (other, 0), (mine, 1)):
        m.plug_disk(disk, port=3)
        m.wait_state("ready")
        wait_kept(m, wanted)
        m.pull_disk()
        m.wait_state("no_disk")
    m.cut()
    for disks in ([other, mine], [mine, other]):
        m = rig.vm(card, disks=disks).start()
        m.wait_state("ready")
        wait_kept(m, 1)
        m.cut()


def test_too_small_disk_is_told(rig):
    disk = rig.disk("small", ["mkfs.ext4", "-q"], mib=32)
    before = disk.read_bytes()
    m = rig.running()
    m.plug_disk(disk)
    m.wait_state("disk_unfit")
    st = m.owner().status()
    assert "too small" in st["headline"] and "another" in st["sentence"], st
    assert st["disk"]["offer"] is None, "a disk that can't be used is offered"
    assert disk.read_bytes() == before


def test_disk_that_answers_with_errors(rig):
    """From the first read on, and in the middle of a backup."""
    m = rig.running()
    disk = rig.disk("dead", ["mkfs.ext4", "-q"])
    m.plug_disk(disk, "dead", via=errors("read"))
    st = m.wait_state("disk_failing")
    assert "Copy it to a new disk" in st["sentence"], st
    m.pull_disk("dead")
    m.wait_state("no_disk")
    # Where its journal is written, and nothing else.
    said = subprocess.run(["debugfs", "-R", "blocks <8>", str(disk)], check=True, text=True,
                          capture_output=True).stdout.split()
    size = 4096 if disk.stat().st_size >= 512 << 20 else 1024
    m.plug_disk(disk, "worn", via=errors("write", int(said[3]) * size // 512))
    m.wait_state("ready")
    phone = test_phone.Phone(rig, trusted="yes", files=20, bytes="2M")
    m.wait_state("disk_failing", 240)  # as its session has found
    assert m.owner().do("backup", udid=phone.udid) == 200
    m.wait_line(r"disk /disk/backups state=4 fs=ext4", 240)  # as the kernel says
    for _ in range(20):  # the page hears of it after the console
        st = m.status()
        if st["box"]["state"] == "disk_failing":
            break
        m.sleep(0.5)
    assert st["box"]["state"] == "disk_failing", st["box"]
    return f"{st['headline']}. {st['sentence']}"


def errors(kind, sector=-1):
    """A disk that can't do it, at one place or anywhere."""
    return {"driver": "blkdebug", "inject-error": [
        {"event": "none", "iotype": kind, "errno": 5, "sector": sector, "once": False}]}


def test_full_disk_is_told(rig):
    """And what was there stays as it was."""
    disk = rig.disk("full", ["mkfs.ext4", "-q", "-m", "0"], mib=96)
    photos = rig.dir / "photos"
    photos.write_bytes(os.urandom(70 << 20))
    subprocess.run(["debugfs", "-w", "-R", f"write {photos} photos", str(disk)], check=True,
                   capture_output=True)
    m = rig.vm(rig.card(), disks=[disk]).start()
    m.wait_state("ready")
    phone = test_phone.Phone(rig, trusted="yes", files=20, bytes="40M")
    assert phone
    st = m.wait_state("disk_full", 240)
    assert "needs" in st["headline"] and "larger one" in st["sentence"], st
    m.cut()
    assert is_clean(disk)
    again = rig.dir / "again"
    subprocess.run(["debugfs", "-R", f"dump photos {again}", str(disk)], check=True,
                   capture_output=True)
    assert again.read_bytes() == photos.read_bytes()
    return st["headline"]


def test_what_a_disk_says_of_itself(rig):
    """QEMU's SATA disk answers SMART; its USB disks pass nothing on."""
    disk = rig.disk("sata", ["mkfs.ext4", "-q"])
    m = rig.vm(rig.card(), sata=[disk]).start()
    m.wait_state("ready")
    m.wait_line(r"SMART path=/dev/sda failing=0")
    smart = m.status()["disk"]["smart"]
    assert smart["failing"] is False and smart["reallocated"] == 0, smart
    assert 0 < smart["temperature_c"] < 60, smart
    assert b"It says of itself" in m.get("/")
    m.cut()
    m = rig.vm(rig.card(), disks=[disk]).start()
    assert m.wait_state("ready")["disk"]["smart"] is None
    return str(smart)


def encrypt(data, key):
    """AES-XTS as dm-crypt does it: each sector by its number."""
    lib = ctypes.CDLL("libcrypto.so.3")
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_xts"):
        getattr(lib, name).restype = ctypes.c_void_p
    ctx, aes = (ctypes.c_void_p(getattr(lib, n)()) for n in ("EVP_CIPHER_CTX_new",
                                                             "EVP_aes_256_xts"))
    out, got, sector = bytearray(), ctypes.c_int(), ctypes.create_string_buffer(512)
    for at in range(0, len(data), 512):
        assert lib.EVP_EncryptInit_ex(ctx, aes, None, key,
                                      struct.pack("<QQ", at // 512, 0)) == 1
        assert lib.EVP_EncryptUpdate(ctx, sector, ctypes.byref(got), data[at:at + 512], 512) == 1
        out += sector.raw[:512]
    return out


def luks_disk(rig, name, word):
    """LUKS2 with a small argon2id, an ext4 in it; no root is needed."""
    if not shutil.which("cryptsetup"):
        raise vm.Skip("no cryptsetup (tools/deps/install.sh image)")
    disk, key, words = rig.disk(name, mib=96), os.urandom(64), rig.dir / f"{name}.word"
    words.write_text(word)
    (rig.dir / f"{name}.key").write_bytes(key)
    subprocess.run(["cryptsetup", "luksFormat", "-q", "--type", "luks2", "--sector-size", "512",
                    "--pbkdf", "argon2id", "--pbkdf-memory", "32768", "--pbkdf-parallel", "1",
                    "--pbkdf-force-iterations", "4", "--volume-key-file",
                    str(rig.dir / f"{name}.key"), "--key-file", str(words), str(disk)],
                   check=True, capture_output=True)
    inner = rig.disk(f"{name}.inner", ["mkfs.ext4", "-q"], mib=80).read_bytes()
    write(disk, 16 << 20, encrypt(inner, key))
    return disk


def test_locked_disk_is_opened_by_its_password(rig):
    """On the page; kept on the card when that was asked for, and not else."""
    disk = luks_disk(rig, "locked", "correct horse")
    m = rig.running()
    card = m.card
    m.plug_disk(disk)
    st = m.wait_state("disk_locked")
    assert "password" in st["sentence"] and st["led"]["id"] == "no_disk", st
    owner = m.owner()
    assert owner.do("unlock", word="") == 400
    assert owner.do("unlock", word="wrong horse") == 200
    m.wait_line(r"the disk can't be used")
    for _ in range(20):
        st = owner.status()
        if "not its password" in st["sentence"]:
            break
        m.sleep(0.5)
    assert st["state"] == "disk_locked" and "not its password" in st["sentence"], st
    assert owner.do("unlock", word="correct horse", keep="yes") == 200
    m.wait_state("ready")
    assert m.status()["disk"]["fs"] == "ext4"
    assert owner.do("unlock", word="correct horse") == 400
    m.pull_disk()
    m.wait_state("no_disk")
    m.plug_disk(disk)
    m.wait_state("ready")
    assert owner.do("eject") == 200
    m.wait_state("disk_ejected")
    m.cut()
    assert "correct horse" not in m.serial
    m = rig.vm(card, disks=[disk]).start()
    m.wait_state("ready")
    m.cut()
    m = rig.vm(rig.card(), disks=[disk]).start()
    m.wait_state("disk_locked")
