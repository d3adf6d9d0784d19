#!/usr/bin/env python3
"""Makes the first inputs of the fuzzers: seeds.py CORPUS-FOLDER.

What a phone says is written here once more, in plain Python. What the fuzzers
find lies beside it, under its hash.
"""

import hashlib
import itertools
import pathlib
import plistlib
import sqlite3
import struct
import sys
import tempfile

UDID = "00008101-001A2B3C4D5E6F70"
XML, BIN = plistlib.FMT_XML, plistlib.FMT_BINARY


def frame(msg, fmt=BIN):
    data = plistlib.dumps(msg, fmt=fmt)
    return struct.pack(">I", len(data)) + data


def name(text):
    data = text.encode()
    return struct.pack(">I", len(data)) + data


def block(code, data=b""):
    return struct.pack(">IB", len(data) + 1, code) + data


HELLO = [["DLMessageVersionExchange", 400, 0], ["DLMessageDeviceReady"],
         ["DLMessageProcessMessage", {
             "MessageName": "Response", "ErrorCode": 0, "ErrorDescription": "",
             "ProtocolVersion": 2.1}]]
BYE = ["DLMessageProcessMessage", {"MessageName": "Response", "ErrorCode": 0}]
AB = f"{UDID}/ab/ab" + "c" * 38


def upload(files):
    out = b""
    for path, data in files:
        out += name("Photos/" + path) + name(f"{UDID}/{path}")
        out += block(0x0C, data) + block(0x00)
    return out + struct.pack(">I", 0)


def talk(fmt, *parts):
    out = b"".join(frame(m, fmt) for m in HELLO)
    for p in parts:
        out += p if isinstance(p, bytes) else frame(p, fmt)
    return out + frame(BYE, fmt)


STATUS = plistlib.dumps({"BackupState": "new", "IsFullBackup": True,
                         "SnapshotState": "finished", "Version": "3.3"})


def dlink(fmt):
    up = ["DLMessageUploadFiles", [], 0.5]
    yield "upload", talk(fmt, up, upload([("Status.plist", STATUS),
                                          ("Snapshot/ab/x", b"y" * 300)]))
    yield "broken", talk(fmt, up, name("a") + name(f"{UDID}/b") +
                         block(0x0C, b"123") + block(0x0B, b"no such file") +
                         struct.pack(">I", 0))
    yield "outside", talk(fmt, up, name("a") + name("../b") +
                          block(0x0C, b"123") + block(0) +
                          struct.pack(">I", 0))
    yield "download", talk(fmt, ["DLMessageDownloadFiles",
                                 [f"{UDID}/Status.plist", AB], 0.1])
    yield "folders", talk(
        fmt, ["DLMessageCreateDirectory", f"{UDID}/Snapshot", 0.1],
        ["DLMessageContentsOfDirectory", UDID],
        ["DLContentsOfDirectory", f"{UDID}/Snapshot"])
    yield "space", talk(fmt, ["DLMessageGetFreeDiskSpace"],
                        ["DLMessagePurgeDiskSpace", 5000],
                        ["DLMessagePurgeDiskSpace", "5000"])
    yield "files", talk(
        fmt, ["DLMessageMoveFiles", {f"{UDID}/Status.plist": f"{UDID}/s"}, 0],
        ["DLMessageRemoveFiles", [f"{UDID}/s"], 0.5],
        ["DLMessageRemoveDirectory", f"{UDID}/Snapshot", 0.5],
        ["DLMessagePing"], ["DLMessageUnheardOf", 1, 2])
    yield "moves", talk(
        fmt, up, upload([("a", b"1")]),
        ["DLMessageCopyItem", f"{UDID}/a", f"{UDID}/b"],
        ["DLMessageMoveItems", {f"{UDID}/a": f"{UDID}/c",
                                f"{UDID}/b": "/etc/passwd"}, 0.2],
        ["DLMessageRemoveItems", [f"{UDID}/c", UDID, "x/../y"], 0.3])
    yield "error", talk(fmt, ["DLMessageProcessMessage", {
        "MessageName": "Response", "ErrorCode": 208,
        "ErrorDescription": "Device locked"}])
    yield "bye", talk(fmt, ["DLMessageDisconnect", "All done"])


def keybag(rounds, first_rounds):
    """As section 6.7 of the protocols has it; the keys are noise."""
    def field(tag, value):
        if isinstance(value, int):
            value = struct.pack(">I", value)
        return tag + struct.pack(">I", len(value)) + value

    out = field(b"VERS", 5) + field(b"TYPE", 1) + field(b"UUID", b"u" * 16)
    out += field(b"HMCK", b"h" * 40) + field(b"WRAP", 1)
    out += field(b"SALT", bytes(range(20))) + field(b"ITER", rounds)
    if first_rounds is not None:
        out += field(b"DPWT", 0) + field(b"DPIC", first_rounds)
        out += field(b"DPSL", bytes(range(20)))
    for number, wrap in ((1, 1), (3, 3)):
        out += field(b"UUID", bytes((number,)) * 16) + field(b"CLAS", number)
        out += field(b"WRAP", wrap) + field(b"KTYP", 0) + field(b"WPKY", b"w" * 40)
    return out


def mbfile():
    file = {"Size": 5, "Mode": 0o100644, "UserID": 501, "GroupID": 501,
            "LastModified": 1600000000, "ProtectionClass": 3,
            "RelativePath": plistlib.UID(2), "$class": plistlib.UID(3),
            "Digest": b"d" * 20, "EncryptionKey": plistlib.UID(4)}
    return plistlib.dumps({
        "$version": 100000, "$archiver": "NSKeyedArchiver",
        "$top": {"root": plistlib.UID(1)},
        "$objects": ["$null", file, "Library/a",
                     {"$classname": "MBFile",
                      "$classes": ["MBFile", "NSObject"]},
                     {"NS.data": b"\x03\0\0\0" + b"k" * 40,
                      "$class": plistlib.UID(3)}]}, fmt=BIN)


COLUMNS = ("fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT,"
           " flags INTEGER, file BLOB")
# Hours for each row that is read.
SLOW = "instr(zeroblob(16000000), CAST(zeroblob(8000000)||x'01' AS BLOB))"
SCHEMAS = {
    "computed": f"CREATE TABLE Files({COLUMNS}, x AS ({SLOW}) NOT NULL)",
    "checked": f"CREATE TABLE Files({COLUMNS}, CHECK({SLOW}=0))",
    "view": "CREATE VIEW Files AS WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL"
            " SELECT x+1 FROM a) SELECT x AS fileID, x AS domain,"
            " x AS relativePath, x AS flags, x AS file FROM a",
}


def manifest_db(schema=None):
    """Three rows, and then a schema that says other things of them."""
    with tempfile.NamedTemporaryFile() as f:
        db = sqlite3.connect(f.name)
        db.execute("PRAGMA page_size=512")
        db.execute(f"CREATE TABLE Files ({COLUMNS})")
        db.execute("CREATE TABLE Properties (key TEXT PRIMARY KEY,"
                   " value BLOB)")
        for i in range(3):
            key = hashlib.sha1(f"HomeDomain-f{i}".encode()).hexdigest()
            db.execute("INSERT INTO Files VALUES(?,?,?,?,?)",
                       (key, "HomeDomain", f"f{i}", 1 + (i == 2), mbfile()))
        db.commit()
        if schema:
            db.execute("PRAGMA writable_schema=ON")
            db.execute("UPDATE sqlite_schema SET sql=?, type=?"
                       " WHERE name='Files'",
                       (schema, schema.split()[1].lower()))
            db.commit()
        db.close()
        return pathlib.Path(f.name).read_bytes()


def np(fmt):
    relay = {"Command": "RelayNotification", "Name": "com.apple.x"}
    return (frame(relay, fmt) + frame({"Command": "Other"}, fmt) +
            frame(relay, fmt) + frame({"Command": "ProxyDeath"}, fmt))


# Bytes for fuzz_script.c: a command, how odd it is, its paths and files.
SCRIPTS = {
    "upload": [0, 0, 0, 3, 6, 1, 0, 7, 1, 120, 1, 2, 65, 200],
    "moves": [0, 0, 0, 1, 1, 1, 100, 4, 0, 2, 1, 2, 9, 10, 9, 0, 2, 1],
    "removes": [0, 6, 0, 3, 1, 11, 13, 8, 0, 5, 2, 4, 3, 0, 5],
    "reads": [0, 1, 0, 3, 6, 1, 12, 2, 0, 0, 10, 0, 11, 0, 3, 13, 0, 1, 1, 0],
    "odd": [0, 4, 255, 7, 40, 4, 5, 254, 6, 255, 13, 13, 255, 8, 14, 0, 239,
            9, 46, 46, 47, 120, 0, 47, 46, 46, 65],
}


def get(path, *headers, method="GET", host="box.local"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


TOKEN = "05" * 32
ALL, GLANCE, NOTHING, LAN, TLS = 0, 1, 2, 4, 8
FORM_TYPE = "multipart/form-data; boundary=XyZ"
FORM = (b'--XyZ\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n%s'
        b'\r\n--XyZ\r\nContent-Disposition: form-data; name="file"; '
        b'filename="a"\r\n\r\n%s\r\n--XyZ--\r\n')


def forms():
    """Bytes for fuzz_form.c."""
    for step in (0, 6, 79):
        for what, data in (("plain", b"abc"), ("empty", b""),
                           ("near", b"\r\n--Xy\r\n--XyQ\r\r\n-")):
            yield f"{what}-{step}", bytes([step]) + FORM_TYPE.encode() + b"\n" + (
                FORM % (b"0123", data))
    yield "quoted", b"\3" + FORM_TYPE.replace("XyZ", '"XyZ"').encode() + b"\n" + (
        FORM % (b"a", b"b")).replace(b'"a"', b'"a; name=\\"b\\""')
    yield "other-type", b"\3text/plain\nabc"
    yield "preamble", b"\3" + FORM_TYPE.encode() + b"\nx\r\n" + FORM % (b"a", b"b")
    yield "two-files", b"\3" + FORM_TYPE.encode() + b"\n" + (
        FORM % (b"a", b"b"))[:-4] + b"\r\n" + (FORM % (b"a", b"b"))[70:]


def form(path, host="box.local", cookie=None, scheme="http", **fields):
    body = "&".join(f"{k}={v}" for k, v in fields.items())
    return get(path, f"Content-Length: {len(body)}",
               f"Origin: {scheme}://{host}",
               *([f"Cookie: a=b; ns_session={cookie}"] if cookie else []),
               host=host, method="POST") + body.encode()


def http():
    """Bytes for fuzz_http.c: what is open to all, how long the schedule is,
    the schedule, and what the peer says."""
    def talk(schedule, *requests, to=ALL):
        return bytes([to, len(schedule), *schedule]) + b"".join(requests)

    def step(kind, arg=0):
        return kind | arg << 3

    whole, bytewise = [step(1, 5), step(6)], [step(0, 0)]
    stream = [step(1, 5), step(6), step(4, 3), step(6), step(5, 3),
              step(4, 3), step(2, 0), step(3, 0), step(4, 3), step(6),
              step(4, 6), step(6)]
    phone = [step(5, 1)]
    yield "page", talk(whole, get("/"))
    yield "bytewise", talk(bytewise * 30, get("/api/status"), get("/"))
    yield "pipelined", talk(whole * 4, get("/"), get("/api/status"),
                            get("/favicon.svg", method="HEAD"), get("/no"))
    for i, path in enumerate(("/", "/api/status", "/metrics", "/login",
                              "/api/session", "/api/openapi.json")):
        for to in (GLANCE, NOTHING):
            yield f"open{to}-{i}", talk(phone + whole, get(path), to=to)
    yield "events", talk(stream, get("/events"))
    yield "live", talk(stream, get("/live"))
    yield "live-glance", talk(phone + stream, get("/live"), to=GLANCE)
    yield "live-head", talk(stream, get("/live", method="HEAD"), get("/"))
    yield "post", talk(whole, get("/", "Content-Length: 3", method="POST"),
                       b"abc")
    yield "body", talk(whole, get("/", "Content-Length: 3"), b"abc")
    yield "chunked", talk(whole, get("/", "Transfer-Encoding: chunked"),
                          b"3\r\nabc\r\n0\r\n\r\n")
    yield "chunked-post", talk(whole, get(
        "/login", "Transfer-Encoding: chunked", method="POST"),
        b"3\r\nabc\r\n0\r\n\r\n")
    yield "stranger", talk(whole, get("/", host="evil.example"))
    yield "address", talk(whole, get("/?a#b", host="[fe80::1]:80"))
    yield "two-hosts", talk(whole, get("/", "Host: b"))
    yield "folded", talk(whole, get("/", "X: a", " b"))
    yield "old", talk(whole, b"GET / HTTP/1.0\r\n\r\n")
    yield "close", talk(whole, get("/", "Connection: close"), get("/"))
    yield "slow", talk([step(0, 3), step(4, 4), step(0, 3), step(4, 5),
                        step(6)], get("/"))
    yield "stalled", talk([step(1, 5), step(2, 4), step(3, 3), step(4, 7)],
                          get("/"))
    yield "long", talk(whole, get("/" + "a" * 300), get("/", "X: " +
                                                        "y" * 9000))
    yield "tls", talk(whole, b"\x16\x03\x01\x02\0\x01\0\1\xfc\3\3")
    udid = "00008101-001A2B3C4D5E6F70"
    for api in ("", "/api"):
        yield f"signed-in{api[1:]}", talk(
            phone + whole * 6, form(f"{api}/login", pin="123456"),
            get("/", f"Cookie: ns_session={TOKEN}"), form(
                f"{api}/do", cookie=TOKEN, csrf=TOKEN, action="backup",
                udid=udid),
            form(f"{api}/do", cookie=TOKEN, csrf=TOKEN, action="pin",
                 pin="%31%32+456", new="654321"),
            form(f"{api}/logout", cookie=TOKEN, csrf=TOKEN),
            form(f"{api}/do", cookie=TOKEN, csrf=TOKEN, action="stop",
                 udid=udid), to=NOTHING)
        yield f"no-session{api[1:]}", talk(
            phone + whole * 3, form(f"{api}/do", cookie=TOKEN, csrf=TOKEN,
                                    action="backup", udid=udid),
            form(f"{api}/do", host="evil.example", action="stop"),
            get("/login"), to=GLANCE)
        for where, to in (("lan", LAN), ("tls", LAN | TLS)):
            scheme = "https" if to & TLS else "http"
            yield f"signed-in-{where}{api[1:]}", talk(
                phone + whole * 4,
                form(f"{api}/login", scheme=scheme, pin="123456"),
                get("/", f"Cookie: ns_session={TOKEN}"), get("/login"),
                form(f"{api}/do", cookie=TOKEN, csrf=TOKEN, scheme=scheme,
                     action="report"),
                get("/report", f"Cookie: ns_session={TOKEN}"),
                to=to | GLANCE)
        yield f"wrong-pin{api[1:]}", talk(
            whole * 6, *[form(f"{api}/login", pin=f"00000{i}")
                         for i in range(6)], to=GLANCE)


    def upload(path, body, *more, length=None):
        return get(path, f"Content-Length: {len(body) if length is None else length}",
                   f"Cookie: ns_session={TOKEN}", *more, method="POST") + body

    signs = phone + whole
    sends = (whole + [step(5, 29), step(4, 0)]) * 4
    login = form("/login", pin="123456")
    csrf = f"X-CSRF: {TOKEN}"
    kind = f"Content-Type: {FORM_TYPE}"
    yield "upload", talk(signs + sends, login, upload(
        "/api/update", b"x" * 5000, csrf), get("/"))
    yield "upload-expects", talk(signs + sends, login, upload(
        "/api/update", b"x" * 90000, csrf, "Expect: 100-continue"), get("/"))
    yield "upload-form", talk(signs + sends, login, upload(
        "/update", FORM % (TOKEN.encode(), b"y" * 3000), kind), get("/"))
    yield "upload-form-wrong", talk(signs + sends, login, upload(
        "/update", FORM % (b"1", b"y" * 3000), kind), get("/"))
    yield "upload-refused", talk(signs + whole + [step(5, 31), step(4, 0)] * 3,
                                 login, upload("/api/update", b"x" * 50000, csrf))
    yield "upload-stalls", talk(
        signs + whole + [step(5, 30), step(4, 0), step(4, 7), step(4, 0)],
        login, upload("/api/update", b"x" * 50, csrf, length=99))
    yield "upload-nobody", talk(whole, upload("/api/update", b"x" * 50, csrf))
    yield "upload-large", talk(signs + whole, login, upload(
        "/api/update", b"x" * 50, csrf, length=1 << 33))


# --- frames ---

PC, FIXED, DHCP, SETTLED, SERVED, RAW, ALONE, ACKS, FEW = (
    0, 1, 2, 4, 8, 16, 32, 64, 128)
BOX_MAC = b"\x02\0\0\0\0\x09"


def sized(kind, data, who=0):
    """A command with 16 bits of length."""
    return struct.pack(">BH", kind | who << 4, len(data)) + data


def segment(flags, data=b"", options=b"", who=0, v6=False, seq=None,
            window=None):
    how = (len(options) // 4 | (0x10 if seq is not None else 0) |
           (0x40 if window is not None else 0))
    return (bytes([(4 if v6 else 3) | who << 4, flags, how]) +
            (struct.pack(">h", seq) if seq is not None else b"") +
            (struct.pack(">H", window) if window is not None else b"") +
            bytes([len(data)]) + options + data)


def ask(data, who=0, v6=False):
    return sized(15, data, who | (8 if v6 else 0))


def passing(seconds):
    return bytes([10 | 3 << 4, seconds])


def dns(question, kind=255, answers=b"", flags=0, counts=None):
    name = b"".join(bytes([len(p)]) + p.encode() for p in question.split("."))
    return (struct.pack(">6H", 0, flags, *(counts or (1, 0, 0, 0))) + name +
            b"\0" + struct.pack(">2H", kind, 1) + answers)


def dhcp_options(kind, *more):
    return (bytes([53, 1, kind, 54, 4, 10, 77, 0, 100, 51, 4, 0, 0, 0, 120]) +
            b"".join(more) + b"\xff")


def ra(*options):
    return (struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) +
            b"".join(options))


PREFIX = (struct.pack(">BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) +
          bytes.fromhex("fd77") + bytes(14))
MSS = b"\x02\x04\x05\xb4"
SYN, FIN, RST, ACK = 2, 1, 4, 16


def frames():
    """Commands of fuzz_frames.c."""
    def talk(mode, *parts):
        return bytes([mode]) + b"".join(parts)

    page = get("/", host="10.77.0.9")
    on = FIXED | SETTLED | ACKS
    yield "page", talk(on, ask(page), passing(1))
    yield "page-pc", talk(PC | ACKS, ask(page), passing(1))
    yield "page-v6", talk(on, ask(get("/", host="[fe80::2]"), v6=True))
    yield "slow-reader", talk(FIXED | SETTLED, ask(page), passing(3),
                              segment(ACK), passing(3), segment(ACK),
                              passing(30))
    yield "events", talk(on, ask(get("/live", host="10.77.0.9")), passing(1),
                         bytes([14 | 1 << 4]), passing(1), passing(20),
                         segment(FIN | ACK), passing(2))
    yield "no-ack", talk(FIXED | SETTLED, ask(page),
                         *[bytes([14 | i << 4]) + passing(1)
                           for i in range(8)], passing(60))
    yield "many", talk(on, *[ask(page, who) for who in range(8)],
                       *[ask(page, who, True) for who in range(8)])
    yield "few", talk(on | FEW, *[ask(page, who) for who in range(8)],
                      passing(3), *[ask(page, who, True) for who in range(8)],
                      segment(FIN | ACK), segment(FIN | ACK, who=1),
                      passing(3), ask(page, 2))
    yield "tiny", talk(FIXED | SETTLED, ask(page),
                       *[segment(ACK, b"G", window=0) for i in range(300)])
    yield "holes", talk(FIXED | SETTLED, *[
        segment(SYN, who=who, v6=v6) + segment(ACK, who=who, v6=v6)
        for v6 in (False, True) for who in range(16)], *[
            segment(ACK, b"x", who=who, v6=v6, seq=i)
            for v6 in (False, True) for who in range(16)
            for i in range(2, 40, 2)])
    yield "sign-in", talk(on, ask(form("/login", "10.77.0.9", pin="123456")),
                          ask(get("/", f"Cookie: ns_session={TOKEN}",
                                  host="10.77.0.9"), 1), ask(form(
                              "/api/do", "10.77.0.9", cookie=TOKEN, csrf=TOKEN,
                              action="pin", pin="123456", new="654321"), 2))
    yield "half-open", talk(FIXED | SETTLED,
                            *[segment(SYN, options=MSS, who=i)
                              for i in range(16)], passing(10))
    yield "segments", talk(on, segment(SYN, options=MSS + b"\1\1\4\2"),
                           segment(ACK), segment(ACK, page[20:], seq=20),
                           segment(ACK, page[:20]), segment(FIN | ACK),
                           passing(10))
    yield "reset", talk(on, segment(SYN), segment(ACK), segment(ACK, page),
                        segment(RST), segment(ACK, b"x", seq=0))
    yield "lease", talk(DHCP | SETTLED | SERVED | ACKS,
                        ask(get("/", host="10.77.0.50")), passing(70),
                        passing(70))
    yield "offers", talk(DHCP, sized(7, dhcp_options(2)),
                         sized(7, dhcp_options(5)), passing(5),
                         sized(7, dhcp_options(6)), passing(60))
    yield "dhcp-options", talk(
        DHCP, sized(7, dhcp_options(2, b"\x34\x01\x03", b"\x3a\4\0\0\0\5",
                                    b"\x2a\4\x0a\x4d\0\1", b"\x0c\0")),
        sized(7, b"\x35\x01"), sized(7, b"\x34\xff\3" + b"x" * 300))
    yield "no-server", talk(DHCP, passing(100), passing(30))
    yield "name", talk(FIXED | SETTLED, sized(5, dns("box.local")),
                       sized(6, dns("box.local", 28)),
                       sized(5, dns("_http._tcp.local", 12), 15),
                       sized(5, dns("box._http._tcp.local", 33)), passing(2))
    a_record = b"\xc0\x0c" + struct.pack(">HHIH4B", 1, 0x8001, 120, 4, 10,
                                         77, 0, 100)
    yield "conflict", talk(FIXED, *[bytes([10 | 2 << 4, 3]) + sized(5, dns(
        "box.local", answers=a_record, flags=0x8400, counts=(1, 1, 0, 0)))
        for i in range(9)], passing(3), sized(5, dns(
            "box-2.local", answers=a_record, flags=0x8400,
            counts=(1, 1, 0, 0))), passing(5))
    yield "truncated", talk(FIXED | SETTLED, *[sized(5, dns(
        "box.local", flags=0x0200), i) for i in range(6)], sized(5, dns(
            "box.local", answers=a_record, counts=(0, 1, 0, 0)), 1),
        passing(2))
    yield "router", talk(FIXED | SETTLED | ACKS, sized(8, ra(
        PREFIX, b"\1\1\2\0\0\0\0\x64", b"\5\1\0\0\0\0\5\xdc")),
        passing(4), ask(get("/", host="[fd77::1]"), v6=True), passing(60))
    target = bytes.fromhex("fe8000000000000000000000ff000009")
    yield "neighbours", talk(FIXED | SETTLED, sized(
        8, b"\x87\0\0\0\0\0\0\0" + target + b"\1\1\2\0\0\0\0\x65"),
        sized(8, b"\x88\0\0\0\xe0\0\0\0" + target), sized(
            8, b"\x80\0\0\0abcdefgh", 8),
        sized(8, b"\x82\0\0\0\3\xe8\0\0" + bytes(16)), passing(2))
    icmp = b"\x08\0\0\0abcdefgh"
    head = struct.pack(">BBHHHBBH4B4B", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1,
                       0, 10, 77, 0, 100, 10, 77, 0, 9)
    yield "ping", talk(FIXED | SETTLED, sized(2, head + icmp))
    igmp = b"\x11\x0a\0\0\0\0\0\0"
    head = struct.pack(">BBHHHBBH4B4B4B", 0x46, 0, 24 + len(igmp), 0, 0, 1, 2,
                       0, 10, 77, 0, 1, 224, 0, 0, 1, 0x94, 4, 0, 0)
    yield "groups", talk(FIXED | SETTLED, sized(2, head + igmp), passing(2))
    who_has = bytes.fromhex("0001080006040001020000000064") + bytes(
        [10, 77, 0, 100]) + bytes(6) + bytes([10, 77, 0, 9])
    yield "arp", talk(FIXED, bytes([9]) + who_has, sized(
        0, BOX_MAC + b"\x02\0\0\0\0\x64\x08\x06" + who_has[:9]))
    yield "arp-conflict", talk(DHCP | SERVED, passing(1), bytes([9]) +
                               who_has[:14] + bytes([10, 77, 0, 50]) +
                               bytes(6) + bytes([10, 77, 0, 50]), passing(20))
    yield "link", talk(on, ask(page), b"\x0b", passing(3), b"\x1b",
                       passing(3), ask(page, 1))
    yield "deaf", talk(on, b"\x1c", ask(page), passing(3), b"\x0c",
                       passing(3))
    for i in range(0, 40, 3):
        yield f"short{i}", talk(on, bytes([13 | 5 << 4, i]), ask(page),
                                passing(1), bytes([14 | 2 << 4]), passing(1))


CONFIGS = {
    "all": """[box]
name = Anna's box
vault = /mnt/disk
reserve = 64M
log = debug
[keep]
floor = 2G
yearly = 0
[web]
network = packet
interface = eth0
address = 192.168.1.9/24
gateway = 192.168.1.1
[policy]
quiet_from = 23:30
quiet_to = 1:05
[phone]
allow = 00008101-001A2B3C4D5E6F70
allow = 00008101-001A2B3C4D5E6F71
    00008101-001A2B3C4D5E6F72
""",
    "odd": "\ufeff[box]\n# a\n; b\nname: a = b ; c\nlog=note\r\n[led]\n"
           "ok =\nalert =  x\ty  \n[web]\non = TRUE\nport = +80\n",
    "wrong": "name = a\n[box\nname\n[box]\nname=\nname = b\nreserve = -1\n"
             "[policy]\nquiet_from = 24:00\n[phone]\nallow = ../x\n",
    "long": "[box]\nvault = /" + "v" * 158 + "\nstate = " + "s" * 400 + "\n",
    "blank-lines": "\n\n[box]\nname = a\n b\n\tc\n",
    "option": "\0box.name\0a;b",
    "option-blank": "\0box.name\0\u00a0a\u0085",
    "option-size": "\0keep.floor\0" + "3T",
}


# --- the USB driver ----------------------------------------------------------

PTP = bytes.fromhex("0904000003060101" "1b" "07050202000200" "07058102000200"
                    "0705830340000a")
MUX = bytes.fromhex("0904010002fffe020f" "07050402000200" "07058502000200")
DEVICE = bytes.fromhex("120100020000004" "0ac05a81202150102" "0304")
UEVENT = (b"add@/devices/usb1/1-1\0ACTION=add\0DEVPATH=/devices/usb1/1-1\0"
          b"SUBSYSTEM=usb\0DEVTYPE=usb_device\0PRODUCT=5ac/12a8/1502\0"
          b"BUSNUM=001\0DEVNUM=007\0")


def mux_packet(version, protocol, body):
    if version < 2 or protocol == 0:
        return struct.pack(">II", protocol, 8 + len(body)) + body
    return struct.pack(">IIIHH", protocol, 16 + len(body), 0xfaceface,
                       1, 2) + body


def mux_tcp(flags, port=1, host=1, seq=0, ack=1, data=b"", version=2):
    return mux_packet(version, 6, struct.pack(
        ">HHIIBBHHH", port, host, seq, ack, 0x50, flags, 512, 0, 0) + data)


def mux():
    for version in (1, 2, 3):
        hello = mux_packet(0, 0, struct.pack(">III", version, 0, 0))
        opened = hello + mux_tcp(0x12, version=version)
        data = opened + mux_tcp(0x10, seq=1, data=b"hello " * 50,
                                version=version)
        yield f"version{version}", hello
        yield f"open{version}", opened
        yield f"data{version}", data
        yield f"reset{version}", data + mux_tcp(4, seq=301, data=b"bye",
                                                version=version)
    hello = mux_packet(0, 0, struct.pack(">III", 2, 0, 0))
    yield "control", hello + mux_packet(2, 1, b"\x03error text")
    yield "many", hello + b"".join(
        mux_tcp(0x12, port=i, host=i) + mux_tcp(0x10, port=i, host=i, seq=1,
                                                data=bytes(range(200)))
        for i in range(1, 5)) * 3
    yield "window", hello + mux_tcp(0x12) + b"".join(
        mux_tcp(0x10, seq=1 + 30000 * i, data=b"\xee" + b"w" * 29999)
        for i in range(8))
    yield "long", hello + struct.pack(">II", 6, 70000)


def usb():
    one = bytes.fromhex("09022700010105c0fa") + PTP
    three = bytes.fromhex("09023e00020307c0fa") + PTP + MUX
    yield "descriptors", b"\0" + DEVICE + one + three
    yield "descriptors-twice", b"\0" + DEVICE + three + three
    yield "event", b"\1" + UEVENT
    yield "event-remove", b"\1" + UEVENT.replace(b"add", b"remove")
    yield "serial", b"\2" + UDID.replace("-", "").encode() + bytes(16)
    yield "serial-old", b"\2" + b"0123456789" * 4
    for fmt, how in ((BIN, "binary"), (XML, "xml")):
        for msg in ({"MessageType": "ListDevices", "ProgName": "x"},
                    {"MessageType": "Listen", "BundleID": "b"},
                    {"MessageType": "Connect", "DeviceID": 1,
                     "PortNumber": -27408},
                    {"MessageType": "ReadPairRecord", "PairRecordID": UDID},
                    {"MessageType": "SavePairRecord", "PairRecordID": UDID,
                     "DeviceID": 1, "PairRecordData": plistlib.dumps({"a": 1})},
                    {"MessageType": "DeletePairRecord",
                     "PairRecordID": "../x"}):
            body = plistlib.dumps(msg, fmt=fmt)
            yield (f"{msg['MessageType']}-{how}", b"\3" + struct.pack(
                "<IIII", 16 + len(body), 1, 8, 7) + body)
    yield "connect-0", b"\3" + struct.pack("<IIIIIHH", 24, 0, 2, 7, 1,
                                           0x7ef2, 0)


def usb_seeds():
    for how in (0, 0x11, 0xf2, 0x5d):
        for what, data in mux():
            if how == 0xf2 or what != "window":
                yield "fuzz_mux", f"{what}-{how:02x}", bytes([how]) + data
    for what, data in usb():
        yield "fuzz_usb", what, data


def smart():
    """(what, input): a sense in each format, a table of attributes."""
    descriptor = bytes.fromhex("7201001d0000000e090c00000080000000f4002c0050")
    fixed = bytes.fromhex("700001005000ff0a00004fc2001d00000000")
    rows = ((5, "3f"), (9, "903a"), (190, "22"), (194, "2800000014"), (197, "1102"))
    table = b"\x10\0" + b"".join(bytes([n]) + bytes(4) + bytes.fromhex(raw).ljust(7, b"\0")
                                 for n, raw in rows)
    for what, sense in (("descriptor", descriptor), ("fixed", fixed), ("none", b"")):
        yield what, bytes([1, len(sense)]) + sense + table


def recorder():
    """(what, input): two halves of a page with any check, records of a kernel."""
    def half(serial, text):
        head = b"NiteTail" + struct.pack("<QQQ", serial, len(text), 0)
        return (head + text).ljust(2048, b"\0")

    for what, first, second in (("first", 3, 2), ("second", 4, 5),
                                ("last", 2**64 - 1, 7)):
        yield what, b"\1" + half(first, b"12:00 N box: a\n") + half(
            second, b"12:01 N box: b\n" * 20)
    yield "one", b"\0" + half(1, b"")
    yield "panic", b"\0Panic#2 Part1\n<0>[   22.08] Kernel panic"
    yield "oops", b"\0Oops#1 Part1\n<4>[   22.08] pc"


HOOKS = {
    "ok": "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok",
    "continue": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
    "hints": "HTTP/1.1 103 E\r\nLink: <a>\r\n\r\nHTTP/1.0 500 No\r\n\r\n",
    "chunked": "HTTP/1.1 202 A\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "upgrade": "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "redirect": "HTTP/1.1 302 F\r\nLocation: http://x/\r\n\r\n",
    "long": "HTTP/1.1 200 OK\r\n" + "X-More: yyyyyyyyyyyyyyyy\r\n" * 400,
    "lf": "HTTP/1.1 200 OK\nA: b\n\n",
    "tls": "\x15\x03\x01\x00\x02\x02\x28",
}


def hello(versions):
    """A client's first record, as TLS 1.2 and 1.3 begin."""
    def ext(kind, body):
        return struct.pack(">HH", kind, len(body)) + body

    exts = (ext(0, b"\0\x0e\0\0\x0bbox.local\0\0")
            + ext(10, b"\0\4\0\x1d\0\x17") + ext(11, b"\1\0")
            + ext(13, b"\0\4\4\3\x08\4") + ext(35, b"")
            + ext(16, b"\0\x0c\2h2\x08http/1.1")
            + ext(43, bytes([2 * len(versions)]) + b"".join(versions))
            + ext(51, struct.pack(">HHH", 36, 29, 32) + bytes(range(32))))
    body = (b"\3\3" + bytes(range(32)) + b"\x20" + bytes(32)
            + b"\0\x08\x13\1\x13\2\xc0\x2b\0\xff" + b"\1\0"
            + struct.pack(">H", len(exts)) + exts)
    shake = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack(">H", len(shake)) + shake


def tls():
    for what, versions in (("hello12", [b"\3\3"]), ("hello13", [b"\3\4"]),
                           ("both", [b"\3\4", b"\3\3"]),
                           ("old", [b"\3\1"])):
        for piece in (0, 200):
            yield f"{what}-{piece}", bytes([0, piece]) + hello(versions)
    yield "clear", b"\0\x20" + get("/")
    yield "keys", bytes([2 | 8, 200]) + hello([b"\3\4"])
    for mode in (1, 2, 5, 6):
        yield f"record-{mode}", bytes([mode, 200]) + b"\x17\3\3\0\x20" + bytes(
            32)
        yield f"alert-{mode}", bytes([mode, 200]) + b"\x15\3\3\0\2\1\0"
        yield f"again-{mode}", bytes([mode, 200]) + hello([b"\3\3"])


def seeds():
    yield from usb_seeds()
    for what, data in smart():
        yield "fuzz_smart", what, data
    for what, data in recorder():
        yield "fuzz_recorder", what, data
    for what, data in tls():
        yield "fuzz_tls", what, data
    for what, text in HOOKS.items():
        yield "fuzz_hook", what, b"\x06" + text.encode("latin-1")
    for what, data in forms():
        yield "fuzz_form", what, data
    for what, data in http():
        yield "fuzz_http", what, data
    for what, data in frames():
        yield "fuzz_frames", what, data
    for what, text in CONFIGS.items():
        yield "fuzz_config", what, text.encode()
    for what, data in SCRIPTS.items():
        yield "fuzz_script", what, bytes(data)
    for fmt, how in ((BIN, "binary"), (XML, "xml")):
        for what, data in dlink(fmt):
            yield "fuzz_dlink", f"{what}-{how}", b"\0" + data
        yield "fuzz_np", f"relay-{how}", b"\0" + np(fmt)
        for i, msg in enumerate([BYE, {"a": [1, -1, 2.5, True, b"x", "ü"]},
                                 ["DLMessageUploadFiles", [], 0.5]]):
            yield "fuzz_pl", f"list{i}-{how}", plistlib.dumps(msg, fmt=fmt)
        manifest = plistlib.dumps({
            "IsEncrypted": True, "ManifestKey": b"k" * 44,
            "Lockdown": {"UniqueDeviceID": UDID, "DeviceName": "Ana",
                         "ProductType": "iPhone15,4",
                         "ProductVersion": "18.1"}}, fmt=fmt)
        yield "fuzz_mbfile", f"manifest-{how}", b"\2" + manifest
        yield "fuzz_mbfile", f"status-{how}", b"\1" + plistlib.dumps(
            plistlib.loads(STATUS), fmt=fmt)
    yield "fuzz_mbfile", "mbfile", b"\0" + mbfile()
    yield "fuzz_keybag", "two-classes", keybag(10, 10)
    yield "fuzz_keybag", "before-ios-10.2", keybag(10, None)
    yield "fuzz_keybag", "rounds-without-end", keybag(0xffffffff, 10)
    yield "fuzz_keybag", "cut", keybag(10, 10)[:-13]
    yield "fuzz_manifest", "three-rows", manifest_db()
    yield "fuzz_manifest", "empty", b""
    for what, schema in SCHEMAS.items():
        yield "fuzz_manifest", what, manifest_db(schema)


def update_seeds():
    """Files of an update whose signature nobody looks at."""
    def head(*parts):
        out = b"nightstand-upd1\n" + struct.pack("<IIQ", len(parts), 0, 7)
        out += b"rpi-arm64".ljust(16, b"\0") + b"0.9.1".ljust(32, b"\0")
        out = out.ljust(128, b"\0")
        for what, data in parts:
            out += (what.ljust(32, b"\0") + struct.pack("<Q", len(data))
                    + hashlib.sha256(data).digest() + bytes(24))
        return out.ljust(4096, b"\0") + b"".join(data for _, data in parts)
    kernel, initrd = (b"kernel8.img", b"k" * 9), (b"initrd.img", b"i")
    yield "whole", head(kernel, initrd, (b"a.dtb", b"d"), (b"cmdline.txt", b"c"))
    yield "twice", head(kernel, kernel)
    yield "large", head(kernel, initrd)[:160] + b"\xff" * 8
    yield "sector", b"os_prefix=b/\n#board=rpi-arm64\n#try=ran page 7 0.9.1\n"


def main():
    updates = (("fuzz_update", what, data) for what, data in update_seeds())
    for target, what, data in itertools.chain(seeds(), updates):
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / what).write_bytes(data)


if __name__ == "__main__":
    main()
