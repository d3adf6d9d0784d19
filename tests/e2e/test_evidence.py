"""What real phones were recorded to do (the numbers are those of the list of
checks that came with the recordings), held against the simulator and the
firmware. Tests that need the recordings themselves skip where they are not.
"""

import plistlib
import sqlite3
import ssl
import struct

import mbformat
from harness import check, equal, wait_until
from hostpeer import Backup, Lockdown, Mux, backup_host, exactly, swap16, \
    tls_context


def paired(t, *phones, **kw):
    sim = t.sim(*phones, **kw)
    phone = sim.phone()
    t.run("idevicepair", "-u", phone.udid, "pair", env=sim.env)
    return sim, phone


# ---- the usbmuxd socket ------------------------------------------------------

def test_check_09_device_id_counts_up(t):
    sim = t.sim()
    phone = sim.phone()
    ids = []
    for _ in range(3):
        mux = Mux(sim.socket)
        ids.append(mux.devices()[0]["DeviceID"])
        mux.close()
        phone.ctl("unplug")
        phone.ctl("plug")
    equal([b - a for a, b in zip(ids, ids[1:])], [1, 1], "DeviceID steps")


def test_check_16_port_numbers_may_be_negative(t):
    sim, phone = paired(t)
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    for _ in range(40):
        port = ld.ask("StartService", Service="com.apple.afc")["Port"]
        if swap16(port) >= 0x8000:
            break
    mux = Mux(sim.socket)
    mux.connect(ld.device_id, swap16(port) - 0x10000)


def test_check_17_result_reply(t):
    recorded = t.evidence("appium-ios-device/usbmuxconnectmessage.bin") \
        .read_bytes()
    sim = t.sim()
    mux = Mux(sim.socket)
    device = mux.devices()[0]["DeviceID"]
    mux.send({"MessageType": "Connect", "DeviceID": device,
              "PortNumber": swap16(62078)})
    raw = mux.receive_raw()
    equal(len(raw), len(recorded), "length of a Result")
    equal(sorted(plistlib.loads(raw[16:])),
          sorted(plistlib.loads(recorded[16:])), "its keys")


def test_check_18_attached_properties(t):
    recorded = plistlib.loads(
        t.evidence("appium-ios-device/usbmuxlistdevicemessage.bin")
        .read_bytes()[16:])
    sim = t.sim()
    ours = Mux(sim.socket).devices()[0]["Properties"]
    old = set(recorded["DeviceList"][0]["Properties"])
    check(set(ours) - {"UDID", "USBSerialNumber"} <= old, f"{set(ours)}")
    check("InterfaceIndex" not in ours, "InterfaceIndex on USB")
    equal(ours["UDID"], ours["SerialNumber"], "UDID")
    equal(ours["USBSerialNumber"], ours["UDID"].replace("-", ""), "serial")


def test_check_19_pair_record_as_binary_plist(t):
    sim, phone = paired(t)
    mux = Mux(sim.socket)
    r = mux.ask(MessageType="ReadPairRecord", PairRecordID=phone.udid)
    record = plistlib.loads(r["PairRecordData"])
    r = mux.ask(MessageType="SavePairRecord", PairRecordID=phone.udid,
                PairRecordData=plistlib.dumps(record,
                                              fmt=plistlib.FMT_BINARY))
    equal(r["Number"], 0, "SavePairRecord")
    t.backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_check_20_oversize_request_closes(t):
    sim = t.sim()
    mux = Mux(sim.socket)
    mux.s.sendall(struct.pack("<IIII", 1 << 30, 1, 8, 1))
    equal(mux.s.recv(1), b"", "answer to a request of 1 GiB")


# ---- lockdown and TLS --------------------------------------------------------

def test_check_21_22_24_lockdown_replies_byte_for_byte(t):
    sim, phone = paired(t)
    ld = Lockdown(sim, phone.udid)
    ld.ask("QueryType")
    equal(len(ld.last_raw), 297, "QueryType")
    ld.ask("QueryType", fmt=plistlib.FMT_BINARY)
    equal(len(ld.last_raw), 297, "QueryType asked in binary")
    check(ld.last_raw.startswith(b"<?xml"), "not XML")
    r = ld.ask("GetValue", Key="DeviceClass", ProtocolVersion="2")
    equal(sorted(r), ["Key", "Request", "Value"], "keys of a GetValue reply")
    r = ld.ask("GetValue", Key="IDAMCapability")
    equal(r["Error"], "GetProhibited", "a key that needs a session")
    equal(len(ld.last_raw), 334, "GetProhibited with a key of 14 letters")
    ld.pair_record()
    ld.start_session()
    equal(len(ld.last_raw), 354, "StartSession")
    ld.ask("StartService", Service="com.apple.mobilebackup2")
    equal(len(ld.last_raw), 382, "StartService of mobilebackup2 with SSL")
    ld.ask("StopSession", SessionID=ld.session_id)
    equal(len(ld.last_raw), 238, "StopSession")


def test_check_22_recorded_query_type(t):
    recorded = t.evidence(
        "appium-ios-device/lockdownquerytypemessage.bin").read_bytes()
    sim = t.sim()
    ld = Lockdown(sim, sim.phone().udid)
    ld.ask("QueryType")
    equal(ld.last_raw, recorded[4:], "QueryType reply")


def test_check_23_prefix_travels_alone(t):
    sim, phone = paired(t)
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    ld.send({"Label": "tests", "Request": "QueryType"})
    equal(len(ld.s.recv(65536)), 4, "first TLS record of a reply")
    equal(len(ld.s.recv(65536)), 297, "second TLS record of a reply")


def test_check_25_26_pair_record(t):
    sim, phone = paired(t)
    record = Lockdown(sim, phone.udid).pair_record()
    equal(len(record["EscrowBag"]), 32, "EscrowBag")
    check(b"BEGIN PRIVATE KEY" in record["HostPrivateKey"], "not PKCS#8")
    mux = Mux(sim.socket)
    record.pop("UDID", None)
    mux.ask(MessageType="SavePairRecord", PairRecordID=phone.udid,
            PairRecordData=plistlib.dumps(record))
    t.backup(sim, phone, t.dir)


def test_check_28_sha1_pair_record_of_debian_works(t):
    sim, phone = paired(t)
    record = Lockdown(sim, phone.udid).pair_record()
    pem = t.path("host.pem")
    pem.write_bytes(record["HostCertificate"])
    text = t.run("openssl", "x509", "-in", pem, "-noout", "-text").stdout
    check("sha1" in text or "sha256" in text, text[:400])
    t.backup(sim, phone, t.dir)


def test_check_29_both_client_certificates_are_taken(t):
    sim, phone = paired(t)
    for session in ("Host", "Root"):
        for service in ("Host", "Root"):
            ld = Lockdown(sim, phone.udid)
            ld.pair_record()
            ld.start_session(session)
            s = ld.start_service("com.apple.mobilebackup2", service)
            Backup(s, phone.udid).hello()


def server_flight(sim, udid):
    """The bytes that the phone sends first in a handshake."""
    ld = Lockdown(sim, udid)
    record = ld.pair_record()
    ld.ask("StartSession", HostID=record["HostID"],
           SystemBUID=record["SystemBUID"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = tls_context(record, "Host").wrap_bio(incoming, outgoing)
    flight = b""
    done = False
    while not done:
        try:
            o.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        pending = outgoing.read()
        if pending:
            ld.s.sendall(pending)
        if not done:
            head = exactly(ld.s, 5)
            body = exactly(ld.s, struct.unpack(">H", head[3:])[0])
            flight += head + body
            incoming.write(head + body)
    return o, record, flight


def records(flight):
    out = []
    while flight:
        kind = flight[0]
        n = struct.unpack(">H", flight[3:5])[0]
        out.append((kind, flight[5:5 + n]))
        flight = flight[5 + n:]
    return out


def test_check_30_31_32_33_handshake_as_recorded(t):
    sim, phone = paired(t)
    o, record, flight = server_flight(sim, phone.udid)
    equal(o.version(), "TLSv1.2", "version")
    equal(o.cipher()[0], "ECDHE-RSA-AES256-GCM-SHA384", "cipher")
    der = ssl.PEM_cert_to_DER_cert(record["DeviceCertificate"].decode())
    equal(o.getpeercert(True), der, "the phone's certificate")
    recs = [b for k, b in records(flight) if k == 22]
    # ServerHello, Certificate, ServerKeyExchange, CertificateRequest, Done
    equal([b[0] for b in recs[:5]], [2, 11, 12, 13, 14],
          "one handshake message per record")
    for body in recs[:5]:
        n = struct.unpack(">I", b"\0" + body[1:4])[0]
        equal(len(body), 4 + n, "length of a record's only message")
    hello = recs[0]
    session_len = hello[38]
    equal(session_len, 32, "session id")
    at = 39 + session_len
    equal(hello[at:at + 3], bytes.fromhex("c03000"), "cipher, compression")
    # The recorded phones send renegotiation_info only. OpenSSL adds point
    # formats to it (no option turns that off): the one difference.
    extensions, rest = [], hello[at + 5:]
    while rest:
        kind, n = struct.unpack(">HH", rest[:4])
        extensions.append(kind)
        rest = rest[4 + n:]
    equal([e for e in extensions if e != 0x000b], [0xff01], "extensions")
    request = recs[3]
    equal(request[-2:], b"\0\0", "CA list of the CertificateRequest")


def test_check_34_second_session_on_one_connection(t):
    sim, phone = paired(t)
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    for _ in range(3):
        ld.start_session()
        check("Value" in ld.ask("GetValue", Key="SerialNumber"), "session")
        ld.stop_session()
        check("Value" in ld.ask("GetValue", Key="DeviceName"), "in clear")


def test_check_36_handshake_delay_can_be_as_real(t):
    sim, phone = paired(t)
    phone.ctl("set", "tls_delay_ms", 95)
    t.backup(sim, phone, t.dir)


def test_check_37_services_in_clear_on_old_ios(t):
    sim, phone = paired(t, {"ios": "12.5.7", "model": "iPhone7,2",
                            "format": "hex40"})
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    r = ld.ask("StartService", Service="com.apple.afc")
    check("EnableServiceSSL" not in r, f"{r}")
    equal(len(ld.last_raw), 334, "StartService of afc without SSL")
    t.backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_check_38_values_without_a_session(t):
    sim = t.sim({"trusted": "no"})
    ld = Lockdown(sim, sim.phone().udid)
    for key in ("BoardId", "ChipID", "DeviceClass", "DeviceColor",
                "DeviceEnclosureColor", "DeviceName", "HardwareModel",
                "MobileDeviceMinimumVersion", "ProductName", "ProductType",
                "ProductVersion", "UniqueChipID"):
        check("Value" in ld.ask("GetValue", Key=key), key)
    equal(ld.ask("GetValue", Key="PhoneNumber").get("Error"), "GetProhibited",
          "PhoneNumber")


def test_check_39_requires_encryption_is_an_integer(t):
    sim, phone = paired(t)
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    d = ld.ask("GetValue", Domain="com.apple.mobile.backup")["Value"]
    equal(type(d["RequiresEncryption"]), int, "RequiresEncryption")


def test_check_40_ipad_has_no_telephony(t):
    sim, phone = paired(t, {"model": "iPad13,18"})
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    for key in ("IntegratedCircuitCardIdentity", "PhoneNumber",
                "InternationalMobileEquipmentIdentity"):
        equal(ld.ask("GetValue", Key=key).get("Error"), "MissingValue", key)
    t.backup(sim, phone, t.dir)
    info = plistlib.loads(
        (t.latest(t.dir, phone) / "Info.plist").read_bytes())
    check("Phone Number" not in info, "an iPad with a phone number")


def test_check_42_mobilegestalt_is_deprecated(t):
    for ios, value in (("16.5", True), ("18.1", None)):
        sim, phone = paired(t, {"ios": ios}, name=f"sim{ios}")
        ld = Lockdown(sim, phone.udid)
        ld.pair_record()
        ld.start_session()
        s = ld.start_service("com.apple.mobile.diagnostics_relay")
        body = plistlib.dumps({"Request": "MobileGestalt",
                               "MobileGestaltKeys": ["PasswordConfigured"]})
        s.sendall(struct.pack(">I", len(body)) + body)
        n, = struct.unpack(">I", exactly(s, 4))
        d = plistlib.loads(exactly(s, n))["Diagnostics"]["MobileGestalt"]
        if value is None:
            equal(d, {"Status": "MobileGestaltDeprecated"}, ios)
        else:
            equal(d["PasswordConfigured"], True, ios)


def afc_ask(s, op, args=b"", payload=b"", n=[0]):
    n[0] += 1
    this = 40 + len(args)
    s.sendall(struct.pack("<8sQQQQ", b"CFA6LPAA", this + len(payload), this,
                          n[0], op) + args + payload)
    head = exactly(s, 40)
    magic, entire, this, number, op = struct.unpack("<8sQQQQ", head)
    equal((magic, number), (b"CFA6LPAA", n[0]), "AFC header")
    return head, op, exactly(s, entire - 40)


def test_check_44_afc_frames(t):
    status = t.evidence("appium-ios-device/afcsuccessresponse.bin") \
        .read_bytes()
    info = t.evidence("appium-ios-device/afcfileinforesponse.bin").read_bytes()
    sim, phone = paired(t)
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    s = ld.start_service("com.apple.afc")
    head, op, body = afc_ask(s, 9, b"/Some\0")
    equal(head[:24] + head[32:] + body, status[:24] + status[32:],
          "STATUS reply but for the packet number")
    head, op, body = afc_ask(s, 0x0A, b"/Some\0")
    equal(op, 2, "op of GET_FILE_INFO's answer")
    keys = body.split(b"\0")[::2]
    equal(sorted(k for k in keys if k),
          sorted(k for k in info[40:].split(b"\0")[::2] if k), "its keys")
    head, op, body = afc_ask(s, 3, b"/\0")
    check(body.startswith(b".\0..\0"), "READ_DIR without . and ..")


# ---- device-link and the order of a backup ---------------------------------

def run_backup(t, *phones, options=None, **kw):
    sim, phone = paired(t, *phones)
    for k, v in (options or {}).items():
        phone.ctl("set", k, v)
    host = backup_host(sim, phone, **kw)
    return sim, phone, host, host.request("Backup")


def test_check_46_47_48_first_frames(t):
    sim, phone = paired(t)
    host = backup_host(sim, phone)
    equal(len(host.frames[0]), 80, "version exchange")
    equal(host.version, [400, 0], "version")
    equal(host.frames[1].hex(),
          "62706c6973743030a1015f1014444c4d6573736167654465766963655265616479"
          "080a0000000000000101000000000000000200000000000000000000000000000021",
          "DeviceReady")


def test_check_49_51_options_and_sizes(t):
    sim, phone, host, end = run_backup(t, options={"dl_io_callbacks": 1})
    equal(end["ErrorCode"], 0, "ErrorCode")
    uploads = [m for m in host.messages if m[0] == "DLMessageUploadFiles"]
    check(any(m[1].get("DLDeviceIOCallbacks") == 4955806704 for m in uploads),
          "no DLDeviceIOCallbacks")
    equal(uploads[0][3], 0, "size element of Status.plist")
    check(uploads[1][3] > 0, "size element of the first batch")
    phone.ctl("mutate", "change=10", "add=3", "seed=3")
    t.backup(sim, phone, t.dir)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_check_50_progress_is_told_after_a_batch(t):
    sim, phone, host, end = run_backup(t, {"files": 900})
    pct = [m[2] for m in host.messages if m[0] == "DLMessageUploadFiles"]
    check(0 < pct[0] < 5, f"first Status.plist at {pct[0]} %")
    check(all(0 <= p <= 100 for p in pct), f"{pct}")


def test_check_53_54_chunks_and_source_names(t):
    sim, phone, host, end = run_backup(t, {"files": 12, "bytes": "12M"})
    check(max(host.chunks) == 262144, f"largest chunk {max(host.chunks)}")
    check(any(n.startswith("/.b") for n in host.source_names),
          f"{host.source_names[:3]}")


def test_check_55_56_57_58_59_66_a_whole_run_by_numbers(t):
    sim, phone, host, end = run_backup(
        t, {"ios": "15.8", "model": "iPhone11,6", "files": 304})
    equal(end["ErrorCode"], 0, "ErrorCode")
    u = phone.udid
    equal(len(host.received), 310, "files received")
    log = host.log
    equal([e[1] for e in log if e[0] == "move"], [128, 128, 48, 1, 1], "moves")
    equal([e[1] for e in log if e[0] == "remove"], [1, 1], "removes")
    status = [(p, n) for p, n in host.received if p == f"{u}/Status.plist"]
    equal([n for _, n in status], [190, 187, 189, 189], "Status.plist sizes")
    equal(len([e for e in log if e[0] == "mkdir"]), 514, "mkdirs")
    # The order: status read, lists, space, folders, status, data, manifest,
    # status, moves, status, removes, status, verification.
    kinds = []
    for e in log:
        k = e[0] + (":" + e[2] if e[0] == "upload" and e[2] else "")
        if not kinds or kinds[-1] != k:
            kinds.append(k)
    first = kinds[:5]
    equal(first, ["download", "list", "space", "mkdir", "upload:Status.plist"],
          "how it begins")
    lists = [e[1] for e in log if e[0] == "list"]
    equal(lists[:2], [f"{u}/Snapshot", u], "lists before the space question")
    tail = kinds[kinds.index("move"):]
    equal(tail[:4], ["move", "upload:Status.plist", "remove",
                     "upload:Status.plist"], "how it ends")
    downloads = [f for e in log if e[0] == "download" for f in e[1]]
    equal(downloads[-3:], ["Status.plist", "Manifest.plist", "Manifest.db"],
          "verification")


def test_check_55_newer_phones_move_in_batches_of_200(t):
    sim, phone, host, end = run_backup(
        t, {"ios": "18.1", "files": 304})
    equal([e[1] for e in host.log if e[0] == "move"], [200, 104, 1, 1],
          "moves")


def test_check_60_61_space_rule_to_the_byte(t):
    sim, phone, host, end = run_backup(t, {"files": 30, "bytes": "5M"},
                                       free=10_000_000)
    equal(end["ErrorCode"], 105, "ErrorCode")
    purge = [e for e in host.log if e[0] == "purge"]
    equal(len(purge), 1, "purge requests")
    # deficit = upload size + 128 MiB - free; amount = deficit + 2 GiB
    size = purge[0][1] - 2147483648 - 134217728 + 10_000_000
    total = sum(i.size for i in phone.hashes().values()
                if i.sha != "-" and not i.encrypted_only)
    equal(size, total, "the upload size that the rule gives")
    equal(purge[0][2], 4, "urgency")
    check("MBErrorDomain/105" in end["ErrorDescription"], str(end))


def test_check_60_purged_bytes_count(t):
    sim, phone = paired(t, {"files": 30, "bytes": "5M"})
    host = backup_host(sim, phone, free=10_000_000)
    host.purged = 4 << 30
    equal(host.request("Backup")["ErrorCode"], 0, "ErrorCode")


def test_check_62_63_unreadable_status_is_103(t):
    sim, phone = paired(t)
    host = backup_host(sim, phone)
    host.answer_status_with = -1
    end = host.request("Backup")
    equal(end["ErrorCode"], 103, "ErrorCode")
    check("Multi status" in end["ErrorDescription"], str(end))


def test_check_64_passcode_runs_out(t):
    sim, phone = paired(t)
    phone.ctl("passcode", "ignored", 300)
    host = backup_host(sim, phone)
    end = host.request("Backup")
    equal(end["ErrorCode"], 208, "ErrorCode")
    check("Device locked" in end["ErrorDescription"], str(end))


def test_check_67_no_last_word(t):
    sim, phone = paired(t)
    phone.ctl("set", "ignore_response", 1)
    conf = t.path("c.conf")
    conf.write_text("[phone]\nlast_wait_s = 2\n")
    t.backup(sim, phone, t.dir, "--config", conf)
    t.compare_plain(t.latest(t.dir, phone), phone.hashes())


def test_host_may_talk_xml(t):
    sim, phone = paired(t)
    ld = Lockdown(sim, phone.udid)
    ld.pair_record()
    ld.start_session()
    host = Backup(ld.start_service("com.apple.mobilebackup2"), phone.udid)
    host.hello(plistlib.FMT_XML)
    equal(host.request("Backup")["ErrorCode"], 0, "ErrorCode")


def test_status_code_is_taken_modulo_32_bit(t):
    sim, phone = paired(t)
    host = backup_host(sim, phone)
    plain = host.status

    def unsigned(code=0, *rest, **kw):
        plain(code & 0xFFFFFFFFFFFFFFFF if code < 0 else code, *rest, **kw)
    host.status = unsigned
    equal(host.request("Backup")["ErrorCode"], 0, "ErrorCode")


# ---- on disk ----------------------------------------------------------------

def schema(db):
    return sorted(r for r in db.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master"))


def open_ro(path):
    return sqlite3.connect(f"file:{path}?immutable=1", uri=True)


def test_check_68_69_70_72_manifest_db_as_a_real_one(t):
    recorded = t.evidence("mvt-ios14.3/Manifest.db")
    sim, phone = paired(t)
    t.backup(sim, phone, t.dir)
    path = t.latest(t.dir, phone) / "Manifest.db"
    real, ours = open_ro(recorded), open_ro(path)
    equal(schema(ours), schema(real), "schema")
    equal(path.read_bytes()[18:20], b"\x02\x02", "journal bytes (WAL)")
    for pragma in ("page_size", "auto_vacuum", "user_version", "encoding"):
        equal(ours.execute(f"PRAGMA {pragma}").fetchone(),
              real.execute(f"PRAGMA {pragma}").fetchone(), pragma)
    equal(ours.execute("SELECT count(*) FROM Properties").fetchone()[0], 0,
          "Properties")

    def keys(db):
        seen, always = set(), None
        for (blob,) in db.execute("SELECT file FROM Files"):
            a = plistlib.loads(blob)
            k = set(a["$objects"][1])
            seen |= k
            always = k if always is None else always & k
            equal(a["$archiver"], "NSKeyedArchiver", "archiver")
            equal(a["$top"]["root"], plistlib.UID(1), "root")
        return seen, always
    real_seen, real_always = keys(real)
    our_seen, our_always = keys(ours)
    equal(our_always, real_always, "keys that every MBFile has")
    check(our_seen <= real_seen, f"unknown keys {our_seen - real_seen}")


def test_check_68_file_ids_of_the_recorded_manifest(t):
    recorded = t.evidence("mvt-ios14.3/Manifest.db")
    n = 0
    for fid, domain, path in open_ro(recorded).execute(
            "SELECT fileID, domain, relativePath FROM Files"):
        equal(mbformat.file_id(domain, path), fid, f"{domain}-{path}")
        n += 1
    equal(n, 3721, "rows")


def test_check_70_checking_leaves_no_wal_behind(t):
    sim, phone = paired(t)
    t.backup(sim, phone, t.dir)
    t.nightstand("verify", "--vault", t.dir, "--udid", phone.udid)
    t.nightstand("snapshots", "--vault", t.dir)
    names = {p.name for p in t.latest(t.dir, phone).iterdir()
             if p.is_file()}
    equal(names, {"Info.plist", "Manifest.plist", "Manifest.db",
                  "Status.plist"}, "files beside Manifest.db")


def test_check_78_79_encrypted_manifest_is_padded(t):
    sim, phone = paired(t)
    t.path("b").mkdir()
    t.run("idevicebackup2", "-u", phone.udid, "encryption", "on", "pw",
          t.path("b"), env=sim.env, ok=False)
    t.backup(sim, phone, t.dir)
    size = (t.latest(t.dir, phone) / "Manifest.db").stat().st_size
    equal(size % 4096, 16, "length of an encrypted Manifest.db modulo 4096")


def test_check_80_real_key_bag_vector(t):
    key, unwrapped = mbformat.unlock_legacy(
        password=b"123456", iterations=10000,
        salt=bytes.fromhex("266343aaf99102ba7f6af64a3a2d62637793f753"),
        wpky=bytes.fromhex("bc707ac0151660426c8114d04caad9d9ee2678a7b7ab05c1"
                           "8ee50cafb2613c31c8978e8b1e9cad2a"))
    equal(key.hex(), "e3b46feb8370ba6caedc4925ef30b7d6c93c1462cfecc71901810ef9"
          "2fb14405", "derived key")
    equal(unwrapped.hex(), "0003897185014cf89b30fb01979f5e675409edfce0cda6cba5"
          "f5467a969ebbae", "class key")


def test_check_82_domains_of_a_real_phone(t):
    recorded = t.evidence("mvt-ios14.3/Manifest.db")
    sim, phone = paired(t, {"files": 600, "bytes": "6M"})
    t.backup(sim, phone, t.dir)

    def kinds(path):
        return {d.split("-")[0] for (d,) in open_ro(path).execute(
            "SELECT DISTINCT domain FROM Files")}
    ours = kinds(t.latest(t.dir, phone) / "Manifest.db")
    real = kinds(recorded)
    check(ours <= real | {"AppDomainPlaceholder", "NetworkDomain"},
          f"domains unknown on real phones: {ours - real}")
    check(len(ours) >= 12, f"only {ours}")


def test_check_83_info_plist_has_the_keys_of_a_real_one(t):
    real = plistlib.loads(t.evidence("mvt-ios14.3/Info.plist").read_bytes())
    sim, phone = paired(t)
    t.backup(sim, phone, t.dir)
    ours = plistlib.loads(
        (t.latest(t.dir, phone) / "Info.plist").read_bytes())
    missing = set(real) - set(ours) - {"IMEI 2", "IMEI2", "Product Name",
                                       "iTunes Settings", "macOS Version",
                                       "macOS Build Version"}
    check(not missing, f"keys that a real Info.plist has: {missing}")
    for k in set(real) & set(ours):
        equal(type(ours[k]), type(real[k]), f"type of {k}")


def test_events_reach_a_listener(t):
    sim = t.sim({"plugged": "no"})
    phone = sim.phone()
    mux = Mux(sim.socket)
    equal(mux.ask(MessageType="Listen")["Number"], 0, "Listen")
    phone.ctl("plug")
    m = mux.receive()
    equal((m["MessageType"], m["Properties"]["SerialNumber"]),
          ("Attached", phone.udid), "event")
    phone.ctl("unplug")
    equal(mux.receive()["MessageType"], "Detached", "event")
    wait_until("unplugged", lambda: not phone.status()["plugged"])
