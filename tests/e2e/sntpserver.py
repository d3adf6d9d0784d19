"""A time server for tests (RFC 4330), as honest as it is told to be:
sntpserver.py ADDRESS KIND [SECONDS]. Each question is answered as KIND says and
told on stdout."""

import socket
import struct
import sys
import time

ERA_0 = 2208988800  # from 1900 to 1970


def answer(question, at, mode=4, stratum=2, originate=None):
    seconds = int(at + ERA_0) & 0xffffffff
    stamp = struct.pack(">II", seconds, int((at % 1) * 2**32))
    return (bytes([0x20 | mode, stratum, 6, 0xec]) + bytes(8) + b"TEST" +
            stamp + (originate or question[40:48]) + stamp + stamp)


def answers(kind, question, at, wait):
    """What is sent, one after the other."""
    good = answer(question, at)
    if kind == "late":
        time.sleep(wait)
        return [answer(question, time.time())]
    if kind == "crowd":  # lies of those who did not see the question, then us
        return [answer(question, at + 9e7, originate=bytes(8)), b"", b"x" * 47,
                good + bytes(20), answer(question, at + 9e7, mode=5),
                answer(question, at + 9e7, originate=question[:8]), good,
                answer(question, at + 9e7)]  # a copy comes too late
    if kind == "kiss":
        return [answer(question, at, stratum=0)]
    if kind == "zero":
        return [good[:40] + bytes(8)]
    return [good]


def main():
    address, kind = sys.argv[1:3]
    ahead = float(sys.argv[3]) if len(sys.argv) > 3 else 0
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 123))
    print("ready", flush=True)
    while True:
        question, peer = s.recvfrom(1500)
        print("asked", len(question), question[40:48].hex(), flush=True)
        for data in answers(kind, question, time.time() + ahead, ahead):
            s.sendto(data, peer)


if __name__ == "__main__":
    main()
