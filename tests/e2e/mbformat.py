"""Reads an iPhone backup folder with nothing but Python and libcrypto.

A second opinion: it shares no code with the firmware or the simulator. The
format is described in the design's protocols, section 6.

    b = Backup(folder, password=None)   raises FormatError
    b.rows()                            every row of Manifest.db, as Row
    b.read(row)                         plain bytes of a file, in pieces
    b.contents()                        {"domain-path": Entry} of all rows;
                                        sha256 is "-" for folders and links
    read_backup(folder, password=None)  the same of the files alone, after a
                                        check that no file is missing or stray
    read_hashes(path, encrypted)        the same from the simulator's `hashes`
    differences(a, b)                   list of sentences, empty when equal

As a program: mbformat.py FOLDER [PASSWORD] prints one line a row.
"""

import ctypes
import ctypes.util
import dataclasses
import hashlib
import os
import plistlib
import sqlite3
import struct
import sys
import tempfile
import typing
import urllib.parse

FILE, FOLDER, LINK = 1, 2, 4


class FormatError(Exception):
    """The folder is not a whole, readable backup."""


class PasswordError(FormatError):
    """The password does not open the key bag."""


# ---- AES by libcrypto, through ctypes -------------------------------------

class Crypto:
    def __init__(self):
        name = ctypes.util.find_library("crypto") or "libcrypto.so.3"
        self.lib = lib = ctypes.CDLL(name)
        for fn in ("EVP_CIPHER_CTX_new", "EVP_aes_256_cbc",
                   "EVP_aes_256_ecb"):
            getattr(lib, fn).restype = ctypes.c_void_p
        lib.EVP_CIPHER_CTX_free.argtypes = [ctypes.c_void_p]
        lib.EVP_CIPHER_CTX_set_padding.argtypes = [ctypes.c_void_p,
                                                   ctypes.c_int]
        lib.EVP_DecryptInit_ex.argtypes = [ctypes.c_void_p] * 3 + \
            [ctypes.c_char_p] * 2
        lib.EVP_DecryptUpdate.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int),
            ctypes.c_char_p, ctypes.c_int]

    def decryptor(self, key, chained):
        return Decryptor(self.lib, key, chained)


class Decryptor:
    """AES-256, CBC with IV 0 or single blocks; padding is the caller's."""

    def __init__(self, lib, key, chained):
        self.lib = lib
        self.ctx = lib.EVP_CIPHER_CTX_new()
        kind = lib.EVP_aes_256_cbc() if chained else lib.EVP_aes_256_ecb()
        if lib.EVP_DecryptInit_ex(self.ctx, kind, None, key, bytes(16)) != 1:
            raise FormatError("libcrypto refuses AES")
        lib.EVP_CIPHER_CTX_set_padding(self.ctx, 0)

    def step(self, data):
        out = ctypes.create_string_buffer(len(data) + 32)
        n = ctypes.c_int(0)
        if self.lib.EVP_DecryptUpdate(self.ctx, out, ctypes.byref(n), data,
                                      len(data)) != 1:
            raise FormatError("libcrypto can't decrypt")
        return out.raw[:n.value]

    def __del__(self):
        self.lib.EVP_CIPHER_CTX_free(self.ctx)


_crypto = Crypto()


def unwrap(kek, wrapped):
    """RFC 3394; None when the key does not fit."""
    n = len(wrapped) // 8 - 1
    a = int.from_bytes(wrapped[:8], "big")
    r = [wrapped[8 * i:8 * i + 8] for i in range(1, n + 1)]
    aes = _crypto.decryptor(kek, False)
    for t in range(6 * n, 0, -1):
        i = (t - 1) % n
        b = aes.step((a ^ t).to_bytes(8, "big") + r[i])
        a, r[i] = int.from_bytes(b[:8], "big"), b[8:]
    return b"".join(r) if a == 0xA6A6A6A6A6A6A6A6 else None


def unlock_legacy(password, iterations, salt, wpky):
    """The single derivation before iOS 10.2: (derived key, class key)."""
    key = hashlib.pbkdf2_hmac("sha1", password, salt, iterations, 32)
    return key, unwrap(key, wpky)


# ---- key bag ---------------------------------------------------------------

class KeyBag:
    INTS = (b"VERS", b"TYPE", b"WRAP", b"ITER", b"DPWT", b"DPIC", b"CLAS",
            b"KTYP")

    def __init__(self, data):
        self.header, self.classes, self.keys = {}, [], {}
        at, target = 0, self.header
        while at + 8 <= len(data):
            tag, n = data[at:at + 4], struct.unpack(">I",
                                                    data[at + 4:at + 8])[0]
            value = data[at + 8:at + 8 + n]
            if len(value) != n:
                raise FormatError("key bag: a value is cut")
            at += 8 + n
            if tag == b"UUID" and b"UUID" in self.header:
                target = {}
                self.classes.append(target)
            if tag in self.INTS:
                value = int.from_bytes(value, "big")
            target[tag] = value
        if at != len(data):
            raise FormatError("key bag: rest of %d bytes" % (len(data) - at))

    def derive(self, password):
        h, key = self.header, password.encode()
        if h.get(b"DPIC"):
            key = hashlib.pbkdf2_hmac("sha256", key, h[b"DPSL"], h[b"DPIC"],
                                      32)
        return hashlib.pbkdf2_hmac("sha1", key, h[b"SALT"], h[b"ITER"], 32)

    def unlock(self, password):
        kek = self.derive(password)
        for c in self.classes:
            if not c.get(b"WRAP", 0) & 2 or b"WPKY" not in c:
                continue
            key = unwrap(kek, c[b"WPKY"])
            if key is None:
                raise PasswordError("the password does not fit")
            self.keys[c[b"CLAS"]] = key

    def file_key(self, classed):
        """Of 44 bytes: the class in front, the wrapped key behind."""
        clas = struct.unpack("<I", classed[:4])[0]
        if len(classed) != 44 or clas not in self.keys:
            raise FormatError("no class key %d" % clas)
        key = unwrap(self.keys[clas], classed[4:])
        if key is None:
            raise FormatError("a key of class %d does not unwrap" % clas)
        return key


# ---- rows ------------------------------------------------------------------

class Entry(typing.NamedTuple):
    sha256: str
    size: int
    mode: int
    mtime: int


def file_id(domain, path):
    return hashlib.sha1(("%s-%s" % (domain, path)).encode()).hexdigest()


@dataclasses.dataclass
class Row:
    file_id: str
    domain: str
    path: str
    flags: int
    blob: bytes
    meta: dict          # the MBFile's plain values
    target: str = None
    digest: bytes = None
    key: bytes = None   # 44 bytes, wrapped
    xattrs: dict = None

    @property
    def name(self):
        return self.domain + "-" + self.path


def parse_mbfile(blob):
    """The MBFile's dictionary with every UID followed."""
    p = plistlib.loads(blob)
    if p.get("$archiver") != "NSKeyedArchiver" or p.get("$version") != 100000:
        raise FormatError("not an archive")
    objects = p["$objects"]

    def follow(v):
        while isinstance(v, plistlib.UID):
            v = objects[v.data]
        if isinstance(v, dict) and "NS.data" in v:
            return follow(v["NS.data"])
        return v

    root = objects[p["$top"]["root"].data]
    cls = objects[root["$class"].data]
    if cls["$classname"] != "MBFile":
        raise FormatError("not an MBFile but " + cls["$classname"])
    return {k: follow(v) for k, v in root.items() if k != "$class"}


def make_row(fid, domain, path, flags, blob):
    if file_id(domain, path) != fid:
        raise FormatError("fileID of %s-%s is %s" % (domain, path, fid))
    m = parse_mbfile(blob)
    if m["RelativePath"] != path:
        raise FormatError("%s: the archive says %r" % (path,
                                                       m["RelativePath"]))
    x = m.get("ExtendedAttributes")
    return Row(fid, domain, path, flags, blob, m, m.get("Target"),
               m.get("Digest"), m.get("EncryptionKey"),
               plistlib.loads(x) if x else None)


# ---- the folder ------------------------------------------------------------

class Backup:
    def __init__(self, folder, password=None):
        self.folder = folder
        self.manifest = self._plist("Manifest.plist")
        self.encrypted = self.manifest["IsEncrypted"]
        self.bag = KeyBag(self.manifest["BackupKeyBag"])
        self._tmp = None
        db = os.path.join(folder, "Manifest.db")
        if self.encrypted:
            if password is None:
                raise PasswordError("encrypted, and no password given")
            self.bag.unlock(password)
            db = self._decrypt_db(db)
        uri = "file:%s?immutable=1" % urllib.parse.quote(db)
        self.db = sqlite3.connect(uri, uri=True)

    def _plist(self, name):
        try:
            with open(os.path.join(self.folder, name), "rb") as f:
                return plistlib.load(f)
        except (OSError, plistlib.InvalidFileException) as e:
            raise FormatError("%s: %s" % (name, e)) from e

    def _decrypt_db(self, path):
        key = self.bag.file_key(self.manifest["ManifestKey"])
        self._tmp = tempfile.NamedTemporaryFile(suffix=".db")
        for piece in decrypt_file(path, key):
            self._tmp.write(piece)
        self._tmp.flush()
        return self._tmp.name

    def status(self):
        return self._plist("Status.plist")

    def rows(self):
        for r in self.db.execute("SELECT fileID, domain, relativePath, flags,"
                                 " file FROM Files"):
            yield make_row(*r)

    def stored_path(self, row):
        return os.path.join(self.folder, row.file_id[:2], row.file_id)

    def read(self, row):
        path = self.stored_path(row)
        if not self.encrypted:
            return read_pieces(path)
        if row.key is None:
            raise FormatError("%s has no key" % row.name)
        if struct.unpack("<I", row.key[:4])[0] != row.meta["ProtectionClass"]:
            raise FormatError("%s: class of the key" % row.name)
        return decrypt_file(path, self.bag.file_key(row.key))

    def hash_of(self, row):
        """SHA-256 of the plain bytes; size and digest are checked, too."""
        if row.flags != FILE:
            return "-"
        sha, size = hashlib.sha256(), 0
        for piece in self.read(row):
            sha.update(piece)
            size += len(piece)
        if size != row.meta["Size"]:
            raise FormatError("%s has %d bytes, not %d" %
                              (row.name, size, row.meta["Size"]))
        if row.digest is not None:
            sha1 = hashlib.sha1()
            for piece in read_pieces(self.stored_path(row)):
                sha1.update(piece)
            if sha1.digest() != row.digest:
                raise FormatError("%s: digest" % row.name)
        return sha.hexdigest()

    def contents(self):
        return {row.name: Entry(self.hash_of(row), row.meta["Size"],
                                row.meta["Mode"], row.meta["LastModified"])
                for row in self.rows()}

    def stray_files(self):
        """Files below 00 … ff that no row speaks of, and rows' files that
        are missing."""
        want = {row.file_id for row in self.rows() if row.flags == FILE}
        have = set()
        for i in range(256):
            folder = os.path.join(self.folder, "%02x" % i)
            if os.path.isdir(folder):
                have.update(os.listdir(folder))
        return sorted(have - want), sorted(want - have)


def read_pieces(path):
    try:
        with open(path, "rb") as f:
            while piece := f.read(1 << 20):
                yield piece
    except OSError as e:
        raise FormatError(str(e)) from e


def read_backup(folder, password=None):
    """{"domain-path": Entry} of the files of a backup folder."""
    b = Backup(str(folder), password)
    stray, missing = b.stray_files()
    if stray or missing:
        raise FormatError("stray files %s, missing files %s" %
                          (stray[:5], missing[:5]))
    return {n: e for n, e in b.contents().items() if e.sha256 != "-"}


def decrypt_file(path, key):
    """Plain pieces; PKCS#7 is checked and taken off."""
    aes, last = _crypto.decryptor(key, True), b""
    for piece in read_pieces(path):
        plain = last + aes.step(piece)
        last = plain[-16:]
        if plain[:-16]:
            yield plain[:-16]
    if not last:
        return  # a file of 0 bytes without its padding
    n = last[-1]
    if len(last) != 16 or not 1 <= n <= 16 or last[-n:] != bytes([n]) * n:
        raise FormatError("%s: padding" % path)
    if n < 16:
        yield last[:-n]


# ---- comparing -------------------------------------------------------------

def read_hashes(path, encrypted):
    """The simulator's list; without encryption the items that are only in
    encrypted backups are left out."""
    out = {}
    with open(path, encoding="utf-8", newline="\n") as f:
        for line in f:
            sha, size, mtime, mode, e, _, name = \
                line.rstrip("\n").split(" ", 6)
            if encrypted or e != "e":
                out[name] = Entry(sha, int(size), int(mode, 8), int(mtime))
    return out


def differences(have, want, limit=20):
    out = ["missing: " + n for n in sorted(want.keys() - have.keys())]
    out += ["too much: " + n for n in sorted(have.keys() - want.keys())]
    out += ["%s is %s, not %s" % (n, have[n], want[n])
            for n in sorted(have.keys() & want.keys()) if have[n] != want[n]]
    if len(out) > limit:
        out = out[:limit] + ["and %d more" % (len(out) - limit)]
    return out


def main(argv):
    if len(argv) not in (2, 3):
        sys.exit("usage: mbformat.py FOLDER [PASSWORD]")
    try:
        for name, (sha, size, mode, mtime) in sorted(
                Backup(*argv[1:]).contents().items()):
            print(sha, size, mtime, "%o" % mode, name)
    except FormatError as e:
        sys.exit("mbformat: %s" % e)


if __name__ == "__main__":
    main(sys.argv)
