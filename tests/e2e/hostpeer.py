"""A third implementation of the host side, for tests only: usbmuxd socket,
lockdown, TLS and device-link in plain Python. It shares no line with the
firmware or the simulator, sends what a test tells it to, and keeps a record
of every message that the phone sent.
"""

import datetime
import plistlib
import socket
import ssl
import struct
import tempfile

from harness import Failed, check, equal


def swap16(port):
    return ((port & 0xFF) << 8) | (port >> 8)


class Mux:
    """One connection to the usbmuxd socket."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        self.s.connect(str(path))
        self.tag = 0

    def close(self):
        self.s.close()

    def send(self, message, binary=False):
        self.tag += 1
        fmt = plistlib.FMT_BINARY if binary else plistlib.FMT_XML
        body = plistlib.dumps(message, fmt=fmt)
        self.s.sendall(struct.pack("<IIII", 16 + len(body), 1, 8, self.tag)
                       + body)

    def receive_raw(self):
        head = exactly(self.s, 16)
        length, version, kind, tag = struct.unpack("<IIII", head)
        return head + exactly(self.s, length - 16)

    def receive(self):
        return plistlib.loads(self.receive_raw()[16:])

    def ask(self, **message):
        base = {"ClientVersionString": "tests", "ProgName": "tests",
                "kLibUSBMuxVersion": 3}
        self.send({**base, **message})
        return self.receive()

    def devices(self):
        return self.ask(MessageType="ListDevices")["DeviceList"]

    def connect(self, device_id, port_field):
        """port_field as it goes over the wire; then a raw byte stream."""
        r = self.ask(MessageType="Connect", DeviceID=device_id,
                     PortNumber=port_field)
        equal(r["Number"], 0, f"Connect to {port_field}")
        return self.s


def exactly(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise EOFError(f"end of stream after {len(data)} of {n} bytes")
        data += part
    return data


class Lockdown:
    """A lockdown connection; session() turns TLS on."""

    def __init__(self, sim, udid, port=62078):
        self.sim = sim
        self.udid = udid
        self.mux = Mux(sim.socket)
        ids = [d["DeviceID"] for d in self.mux.devices()
               if d["Properties"]["SerialNumber"] == udid]
        check(ids, f"{udid} is not on the mux")
        self.device_id = ids[0]
        self.s = self.mux.connect(self.device_id, swap16(port))
        self.record = None

    def send(self, message, fmt=plistlib.FMT_XML):
        body = plistlib.dumps(message, fmt=fmt)
        self.s.sendall(struct.pack(">I", len(body)) + body)

    def receive_raw(self):
        n, = struct.unpack(">I", exactly(self.s, 4))
        return exactly(self.s, n)

    def ask(self, request, fmt=plistlib.FMT_XML, **keys):
        self.send({"Label": "tests", "Request": request, **keys}, fmt)
        self.last_raw = self.receive_raw()
        return plistlib.loads(self.last_raw)

    def pair_record(self):
        mux = Mux(self.sim.socket)
        r = mux.ask(MessageType="ReadPairRecord", PairRecordID=self.udid)
        mux.close()
        self.record = plistlib.loads(r["PairRecordData"])
        return self.record

    def start_session(self, which="Host"):
        record = self.record or self.pair_record()
        r = self.ask("StartSession", HostID=record["HostID"],
                     SystemBUID=record["SystemBUID"])
        check("Error" not in r, f"StartSession: {r}")
        self.session_id = r["SessionID"]
        if r["EnableSessionSSL"]:
            self.plain = self.s
            self.s = tls(self.s, record, which)
        return r

    def stop_session(self):
        r = self.ask("StopSession", SessionID=self.session_id)
        self.s = self.s.unwrap()
        return r

    def start_service(self, name, which="Host"):
        r = self.ask("StartService", Service=name,
                     EscrowBag=self.record["EscrowBag"])
        check("Port" in r, f"StartService {name}: {r}")
        mux = Mux(self.sim.socket)
        s = mux.connect(self.device_id, swap16(r["Port"]))
        if r.get("EnableServiceSSL"):
            s = tls(s, self.record, which)
        return s


def tls_context(record, which):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    c.set_ciphers("ALL:@SECLEVEL=0")
    with tempfile.NamedTemporaryFile() as cert, \
            tempfile.NamedTemporaryFile() as key:
        cert.write(record[f"{which}Certificate"])
        cert.flush()
        key.write(record[f"{which}PrivateKey"])
        key.flush()
        c.load_cert_chain(cert.name, key.name)
    return c


def tls(s, record, which):
    return tls_context(record, which).wrap_socket(
        s, suppress_ragged_eofs=False)


class Backup:
    """A device-link host that stores files in memory and keeps a log.

    log: one entry per message of the phone, e.g. ("DLMessageMoveItems", 128).
    """

    def __init__(self, stream, udid, free=1 << 40, files=None):
        self.s = stream
        self.udid = udid
        self.free = free
        self.purged = 0
        self.files = files if files is not None else {}
        self.dirs = set()
        self.log = []
        self.messages = []
        self.received = []      # (path, size) in order
        self.chunks = set()     # data bytes per chunk
        self.source_names = []
        self.answer_status_with = None
        self.frames = []

    def receive(self):
        n, = struct.unpack(">I", exactly(self.s, 4))
        body = exactly(self.s, n)
        self.frames.append(body)
        return plistlib.loads(body)

    def send(self, message, fmt=plistlib.FMT_BINARY):
        body = plistlib.dumps(message, fmt=fmt)
        self.s.sendall(struct.pack(">I", len(body)) + body)

    def status(self, code=0, text="___EmptyParameterString___", value=None):
        self.send(["DLMessageStatusResponse", code, text,
                   {} if value is None else value])

    def hello(self, fmt=plistlib.FMT_BINARY):
        m = self.receive()
        equal(m[0], "DLMessageVersionExchange", "first message")
        self.version = m[1:]
        self.send(["DLMessageVersionExchange", "DLVersionsOk", m[1]], fmt)
        equal(self.receive(), ["DLMessageDeviceReady"], "second message")
        self.send(["DLMessageProcessMessage",
                   {"MessageName": "Hello",
                    "SupportedProtocolVersions": [2.0, 2.1]}], fmt)
        r = self.receive()[1]
        equal((r["MessageName"], r["ErrorCode"], r["ProtocolVersion"]),
              ("Response", 0, 2.1), "answer to Hello")

    def request(self, name, **keys):
        self.send(["DLMessageProcessMessage",
                   {"MessageName": name, "TargetIdentifier": self.udid,
                    **keys}])
        return self.serve()

    def serve(self):
        while True:
            m = self.receive()
            self.messages.append(m)
            if m[0] == "DLMessageProcessMessage":
                self.send(["DLMessageDisconnect",
                           "___EmptyParameterString___"])
                return m[1]
            if m[0] == "DLMessageDisconnect":
                raise Failed(f"the phone hung up: {m}")
            getattr(self, m[0])(m)

    # -- what the phone asks for ---------------------------------------------
    def DLMessageDownloadFiles(self, m):
        errors = {}
        self.log.append(("download", tuple(p.split("/", 1)[1] for p in m[1])))
        for path in m[1]:
            name = path.encode()
            self.s.sendall(struct.pack(">I", len(name)) + name)
            if self.answer_status_with and path.endswith("Status.plist"):
                code = self.answer_status_with
                errors[path] = {"DLFileErrorString": "x",
                                "DLFileErrorCode": code}
                self.s.sendall(struct.pack(">IB", 2, -code & 0xFF) + b"x")
            elif path in self.files:
                data = self.files[path]
                for i in range(0, len(data), 32768):
                    part = data[i:i + 32768]
                    self.s.sendall(
                        struct.pack(">IB", len(part) + 1, 0x0C) + part)
                self.s.sendall(struct.pack(">IB", 1, 0))
            else:
                errors[path] = {"DLFileErrorString": "No such file",
                                "DLFileErrorCode": -6}
                self.s.sendall(struct.pack(">IB", 13, 6) + b"No such file")
        self.s.sendall(struct.pack(">I", 0))
        if errors:
            self.status(-13, "Multi status", errors)
        else:
            self.status()

    def DLMessageUploadFiles(self, m):
        n = 0
        while True:
            length, = struct.unpack(">I", exactly(self.s, 4))
            if length == 0:
                break
            self.source_names.append(exactly(self.s, length).decode())
            length, = struct.unpack(">I", exactly(self.s, 4))
            path = exactly(self.s, length).decode()
            data = []
            while True:
                length, = struct.unpack(">I", exactly(self.s, 4))
                code = exactly(self.s, 1)[0]
                body = exactly(self.s, length - 1)
                if code != 0x0C:
                    break
                self.chunks.add(len(body))
                data.append(body)
            equal(code, 0, f"end code of {path}")
            self.files[path] = b"".join(data)
            self.received.append((path, len(self.files[path])))
            n += 1
        name = path.split("/", 1)[1] if n == 1 else None
        self.log.append(("upload", n, name))
        self.status()

    def DLMessageGetFreeDiskSpace(self, m):
        self.log.append(("space",))
        self.status(value=self.free)

    def DLMessagePurgeDiskSpace(self, m):
        self.log.append(("purge", m[1], m[2]))
        if self.purged:
            self.status(value=self.purged)
        else:
            self.status(-1, "cannot free")

    def DLContentsOfDirectory(self, m):
        self.log.append(("list", m[1]))
        out = {}
        prefix = m[1] + "/"
        when = datetime.datetime(2026, 1, 1)
        for d in self.dirs:
            if d.startswith(prefix) and "/" not in d[len(prefix):]:
                out[d[len(prefix):]] = {
                    "DLFileType": "DLFileTypeDirectory", "DLFileSize": 0,
                    "DLFileModificationDate": when}
        for f, data in self.files.items():
            if f.startswith(prefix) and "/" not in f[len(prefix):]:
                out[f[len(prefix):]] = {
                    "DLFileType": "DLFileTypeRegular",
                    "DLFileSize": len(data), "DLFileModificationDate": when}
        self.status(value=out)

    def DLMessageCreateDirectory(self, m):
        self.log.append(("mkdir", m[1]))
        if m[1] in self.dirs:
            self.status(-7, "File exists")
            return
        self.dirs.add(m[1])
        self.status()

    def DLMessageMoveItems(self, m):
        self.log.append(("move", len(m[1])))
        for src, dst in m[1].items():
            if src not in self.files:
                self.status(-6, "not found")
                return
            self.files[dst] = self.files.pop(src)
        self.status()

    def DLMessageRemoveItems(self, m):
        self.log.append(("remove", len(m[1])))
        errors = {}
        for path in m[1]:
            found = False
            for f in [f for f in self.files
                      if f == path or f.startswith(path + "/")]:
                del self.files[f]
                found = True
            for d in [d for d in self.dirs
                      if d == path or d.startswith(path + "/")]:
                self.dirs.discard(d)
                found = True
            if not found:
                errors[path] = {"DLFileErrorString": "gone",
                                "DLFileErrorCode": -6}
        if errors and len(m[1]) == 1:
            self.status(-6, "gone")
        elif errors:
            self.status(-13, "Multi status", errors)
        else:
            self.status()


def backup_host(sim, phone, **kw):
    """Lockdown + mobilebackup2, past Hello; pairs are made by a peer."""
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    host = Backup(ld.start_service("com.apple.mobilebackup2"), phone.udid,
                  **kw)
    host.hello()
    host.lockdown = ld
    return host
