"""What a host in the same LAN sees, as raw frames: one machine that answers, on
two ports, and a kernel that is silent."""

import random
import select
import socket
import struct
import time

BOX, PEER = "10.9.9.2", "10.9.9.1"
OWN = bytes.fromhex("020000000042")
SETTINGS = f"[web]\naddress = {BOX}/24\n"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Peer:
    """The other end of QEMU's cable: a length of four bytes, then a frame."""

    def __init__(self, path):
        self.line = socket.socket(socket.AF_UNIX)
        self.line.connect(str(path))
        self.rest = b""
        self.mac = None
        self.seen = []  # every frame of the box

    def send(self, frame):
        self.line.sendall(struct.pack(">I", len(frame)) + frame)

    def frames(self, seconds):
        end = time.time() + seconds
        while True:
            while len(self.rest) >= 4:
                size, = struct.unpack_from(">I", self.rest)
                if len(self.rest) < 4 + size:
                    break
                frame, self.rest = self.rest[4:4 + size], self.rest[4 + size:]
                self.seen.append(frame)
                yield frame
            left = end - time.time()
            if left <= 0 or not select.select([self.line], [], [], left)[0]:
                return
            self.rest += self.line.recv(65536)

    def ask_arp(self):
        """How many answers one question gets."""
        self.send(b"\xff" * 6 + OWN + struct.pack(">HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + OWN +
                  socket.inet_aton(PEER) + b"\0" * 6 + socket.inet_aton(BOX))
        answers = 0
        for frame in self.frames(2):
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2":
                self.mac = frame[6:12]
                answers += 1
            self.answer_arp(frame)
        return answers

    def answer_arp(self, frame):
        if (frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and
                frame[38:42] == socket.inet_aton(PEER)):
            self.send(frame[6:12] + OWN + struct.pack(">HHHBBH", 0x806, 1, 0x800, 6, 4, 2) +
                      OWN + socket.inet_aton(PEER) + frame[22:28] + frame[28:32])

    def ip(self, proto, payload):
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0,
                           socket.inet_aton(PEER), socket.inet_aton(BOX))
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        self.send(self.mac + OWN + b"\x08\x00" + head + payload)

    def segment(self, port, flags, seq):
        seg = struct.pack(">HHIIBBHHH", 40000, port, seq, 0, 5 << 4, flags, 1024, 0, 0)
        pseudo = socket.inet_aton(PEER) + socket.inet_aton(BOX) + struct.pack(">BBH", 0, 6, 20)
        self.ip(6, seg[:16] + struct.pack(">H", checksum(pseudo + seg)) + seg[18:])

    def scan(self, ports):
        """port -> the flags of each answer to one SYN."""
        answers = {}
        for at in range(0, len(ports), 32):
            for port in ports[at:at + 32]:
                self.segment(port, 0x02, 1000)
            for frame in self.frames(0.25):
                self.answer_arp(frame)
                if frame[12:14] == b"\x08\x00" and frame[23] == 6:
                    port, = struct.unpack_from(">H", frame, 34)
                    answers.setdefault(port, []).append(frame[47] & 0x3f)
        return answers


def begin(rig):
    m = rig.vm(rig.card(SETTINGS), cable=True).start()
    peer = Peer(rig.dir / "cable")
    m.wait_line(r"addresses: \S+ 10\.9\.9\.2")
    return m, peer


def test_page_and_nothing_else_answers(rig):
    """TCP: ports 80 and 443 and no other; each question gets one answer, so only one
    stack is there; UDP: none but mDNS is open."""
    _, peer = begin(rig)
    assert peer.ask_arp() == 1, "not one answer to ARP"
    lot = random.Random(1)
    ports = list(range(1, 1025)) + lot.sample(range(1025, 65536), 1500)
    answers = peer.scan(ports)
    for _ in range(4):  # a burst may lose some
        answers.update(peer.scan([p for p in ports if p not in answers]))
    silent = [p for p in ports if p not in answers]
    assert not silent, f"no answer from {silent[:20]}"
    opened = [p for p, flags in answers.items() if any(f & 0x12 == 0x12 for f in flags)]
    assert sorted(opened) == [80, 443], f"open: {opened}"
    twice = {p: f for p, f in answers.items() if p not in (80, 443) and len(f) != 1}
    assert not twice, f"answered twice: {dict(list(twice.items())[:5])}"
    return f"{len(ports)} ports asked"


def test_the_kernel_is_silent(rig):
    """Half a minute: all that the box sends bears its one MAC, and IPv4 only its
    one address; no router solicitation or MLD twice, as two stacks would."""
    m, peer = begin(rig)
    assert peer.ask_arp() == 1
    end = time.time() + 20
    while time.time() < end:
        for frame in peer.frames(1):
            peer.answer_arp(frame)
        m.read_serial(0)
    assert peer.seen
    for frame in peer.seen:
        assert frame[6:12] == peer.mac, frame.hex()
        if frame[12:14] == b"\x08\x00":
            assert frame[26:30] == socket.inet_aton(BOX), frame.hex()
    sources = {frame[22:38] for frame in peer.seen if frame[12:14] == b"\x86\xdd"}
    assert len(sources - {b"\0" * 16}) <= 1, sources
