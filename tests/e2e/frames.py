#!/usr/bin/env python3
"""Frames that no decent host sends: frames.py INTERFACE MAC ADDRESS WHAT.

WHAT: tcp-options, nd-options, runts, vlan, syns. Bounded in number.
"""

import os
import random
import socket
import struct
import sys

ETH_IP, ETH_ARP, ETH_IP6, ETH_VLAN = 0x0800, 0x0806, 0x86DD, 0x8100
OWN_MAC = bytes.fromhex("020000000042")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(src, dst, proto, payload):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64,
                       proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def tcp(src, dst, port, flags, options=b""):
    head = 20 + len(options)
    seg = struct.pack(">HHIIBBHHH", port, 80, random.getrandbits(32), 0,
                      head // 4 << 4, flags, 65535, 0, 0) + options
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack(
        ">BBH", 0, 6, len(seg))
    return seg[:16] + struct.pack(">H", checksum(pseudo + seg)) + seg[18:]


def icmp6(src, dst, body):
    pseudo = src + dst + struct.pack(">II", len(body), 58)
    body = body[:2] + struct.pack(">H", checksum(pseudo + body)) + body[4:]
    return struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + src + dst + body


def frames(mac, address, what):
    net = address.rsplit(".", 1)[0]

    def eth(kind, payload, dst=mac):
        return dst + OWN_MAC + struct.pack(">H", kind) + payload

    if what == "tcp-options":
        for options in (b"\x02\x00\x00\x00", b"\x02\x28\x05\xb4",
                        b"\x08\xff\x01\x01", b"\x01\x01\x01\x02",
                        b"\x05\x01" * 20):
            for flags in (0x02, 0x10, 0x18):
                yield eth(ETH_IP, ip4(f"{net}.200", address, 6, tcp(
                    f"{net}.200", address, 40000, flags, options)))
    elif what == "nd-options":
        src = socket.inet_pton(socket.AF_INET6, "fe80::42")
        nodes = socket.inet_pton(socket.AF_INET6, "ff02::1")
        every = bytes.fromhex("333300000001")
        for kind, fixed in ((133, 4), (134, 12), (135, 20), (136, 20),
                            (137, 36)):
            for option in (b"\x01\x00" + b"x" * 6, b"\x01\x20" + b"x" * 6,
                           b"\x01", b"\x05\x01", b"\x19\x03" + b"y" * 8):
                yield eth(ETH_IP6, icmp6(src, nodes, struct.pack(
                    ">BBH", kind, 0, 0) + b"\0" * fixed + option), every)
    elif what == "runts":
        for n in range(0, 46):
            yield eth(ETH_ARP, os.urandom(n), b"\xff" * 6)
            yield eth(ETH_IP, b"\x45" + os.urandom(n))
            yield eth(ETH_IP6, b"\x60" + os.urandom(n))
    elif what == "vlan":
        for i in range(20):
            yield eth(ETH_VLAN, struct.pack(">HH", 7, ETH_IP) + ip4(
                f"{net}.201", address, 6, tcp(f"{net}.201", address, 41000 + i,
                                              0x02)))
    elif what == "syns":
        for i in range(400):
            src = f"{net}.{100 + i % 100}"
            yield eth(ETH_IP, ip4(src, address, 6,
                                  tcp(src, address, 20000 + i, 0x02)))
    else:
        sys.exit(f"what is {what}?")


def main():
    interface, mac, address, what = sys.argv[1:]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        sent = 0
        for frame in frames(bytes.fromhex(mac.replace(":", "")), address,
                            what):
            s.send(frame)
            sent += 1
    print(sent)


if __name__ == "__main__":
    main()
