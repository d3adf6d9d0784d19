"""A disk that loses what was not flushed when the power goes: an NBD server for
QEMU, which keeps the writes since the last flush apart. At a cut each of them
is kept, lost, or kept in part, by lot; all that a flush (or FUA) has promised
is there.

NBD as its protocol document has it: fixed newstyle handshake, simple replies.
"""

import os
import socket
import struct
import threading

BLOCK = 4096
SECTOR = 512
MAX_REQUEST = 32 << 20

READ, WRITE, DISC, FLUSH, TRIM, WRITE_ZEROES = 0, 1, 2, 3, 4, 6
FUA = 1
FLAGS = 1 | 4 | 8 | 32 | 64  # has flags; flush, FUA, trim, write zeroes
OPT_EXPORT_NAME, OPT_ABORT, OPT_GO = 1, 2, 7
REP_ACK, REP_INFO, REP_UNSUPPORTED = 1, 3, (1 << 31) + 1
IHAVEOPT = b"IHAVEOPT"


class Gone(Exception):
    """The other side hung up."""


class LossyDisk:
    """`path` is what the medium holds; `url` is what QEMU opens."""

    def __init__(self, path, lot):
        self.path, self.lot = str(path), lot
        self.size = os.path.getsize(path)
        self.file = os.open(path, os.O_RDWR)
        self.socket_path = f"{path}.nbd"
        self.url = f"nbd:unix:{self.socket_path}"
        self.lock = threading.Lock()
        self.pending = []  # (offset, bytes) in their order, not flushed yet
        self.dirty = {}  # block: what a reader sees of it
        self.flushes = self.lost = self.torn = self.kept = 0
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.socket_path)
        self.server.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.server.close()
        os.unlink(self.socket_path)
        os.close(self.file)

    # --- the medium

    def _apply(self, offset, data):
        os.pwrite(self.file, data, offset)

    def _flush(self):
        for offset, data in self.pending:
            self._apply(offset, data)
        self.pending, self.dirty = [], {}
        self.flushes += 1

    def _write(self, offset, data):
        self.pending.append((offset, data))
        end = offset + len(data)
        for block in range(offset // BLOCK, (end + BLOCK - 1) // BLOCK):
            at = block * BLOCK
            old = self.dirty.get(block)
            if old is None:
                old = bytearray(os.pread(self.file, BLOCK, at).ljust(BLOCK, b"\0"))
                self.dirty[block] = old
            a, b = max(at, offset), min(at + BLOCK, end)
            old[a - at:b - at] = data[a - offset:b - offset]

    def _write_through(self, offset, data):
        """On the medium now, with what it lies over."""
        end = offset + len(data)
        under = [p for p in self.pending if p[0] < end and p[0] + len(p[1]) > offset]
        for p in under:
            self._apply(*p)
        self.pending = [p for p in self.pending if p not in under]
        self._apply(offset, data)
        self._write(offset, data)
        self.pending.pop()

    def _read(self, offset, size):
        data = bytearray(os.pread(self.file, size, offset).ljust(size, b"\0"))
        for block in range(offset // BLOCK, (offset + size + BLOCK - 1) // BLOCK):
            seen = self.dirty.get(block)
            if seen is not None:
                at = block * BLOCK
                a, b = max(at, offset), min(at + BLOCK, offset + size)
                data[a - offset:b - offset] = seen[a - at:b - at]
        return bytes(data)

    def cut(self):
        """The power went (and QEMU is gone): what was only in the cache is
        kept or lost by lot."""
        with self.lock:
            for offset, data in self.pending:
                fate = self.lot.random()
                if fate < 0.5:
                    self.lost += 1
                elif fate < 0.65 and len(data) > SECTOR:
                    self.torn += 1
                    self._apply(offset, data[:self.lot.randrange(len(data) // SECTOR) * SECTOR])
                else:
                    self.kept += 1
                    self._apply(offset, data)
            self.pending, self.dirty = [], {}
            os.fsync(self.file)

    # --- the protocol

    def _serve(self):
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            with line:
                try:
                    if self._shake_hands(line):
                        while self._answer(line):
                            pass
                except (Gone, OSError):
                    pass

    @staticmethod
    def _take(line, size):
        data = bytearray()
        while len(data) < size:
            part = line.recv(min(size - len(data), 1 << 20))
            if not part:
                raise Gone()
            data += part
        return bytes(data)

    def _shake_hands(self, line):
        line.sendall(b"NBDMAGIC" + IHAVEOPT + struct.pack(">H", 3))
        no_zeroes = struct.unpack(">I", self._take(line, 4))[0] & 2
        while True:
            magic, option, size = struct.unpack(">8sII", self._take(line, 16))
            if magic != IHAVEOPT or size > 65536:
                return False
            self._take(line, size)
            if option == OPT_EXPORT_NAME:
                line.sendall(struct.pack(">QH", self.size, FLAGS) + (b"" if no_zeroes else bytes(124)))
                return True
            if option == OPT_GO:
                info = struct.pack(">HQH", 0, self.size, FLAGS)
                self._reply_option(line, option, REP_INFO, info)
            if option in (OPT_GO, OPT_ABORT):
                self._reply_option(line, option, REP_ACK)
                return option == OPT_GO
            self._reply_option(line, option, REP_UNSUPPORTED)

    @staticmethod
    def _reply_option(line, option, kind, data=b""):
        line.sendall(struct.pack(">QIII", 0x3e889045565a9, option, kind, len(data)) + data)

    def _answer(self, line):
        magic, flags, kind, handle, offset, size = struct.unpack(
            ">IHHQQI", self._take(line, 28))
        if magic != 0x25609513 or kind == DISC or size > MAX_REQUEST:
            return False
        data = self._take(line, size) if kind == WRITE else b""
        error, out = 0, b""
        with self.lock:
            if kind == READ:
                out = self._read(offset, size)
            elif kind in (WRITE, WRITE_ZEROES):
                data = data if kind == WRITE else bytes(size)
                (self._write_through if flags & FUA else self._write)(offset, data)
            elif kind == FLUSH:
                self._flush()
            elif kind != TRIM:
                error = 22
        line.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + out)
        return True
