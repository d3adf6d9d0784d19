#!/usr/bin/python3
"""Update files of the firmware, and the keys that sign them.

    update.py key --key PEM
        makes a key pair for development there, unless one is there
    update.py public --key PEM
        its public half, in hex: a line for board/arm64/update-keys.txt
    update.py header --list FILE [--key PEM]
        the public keys that a program accepts, as C
    update.py make --key PEM --board NAME --version V --build N --out FILE NAME=PATH…
        a signed update of these parts

The shape of the file stands in lib/update/update_file.h. Signatures are made
by the program openssl.
"""

import argparse
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile

HEAD, SIGNED, PARTS_AT, PART_SIZE = 4096, 4032, 128, 96
PARTS, KEYS, BYTES_MAX = 24, 4, 48 << 20
NAME = re.compile(r'^[a-z0-9-][a-z0-9.-]*$')


class BadUpdate(Exception):
    pass


def openssl(*args, **options):
    return subprocess.run(['openssl', *args], check=True, stdout=subprocess.PIPE, **options).stdout


def make_key(path):
    """For whoever has none: what it signs is taken by images of this machine alone."""
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
    pem = openssl('genpkey', '-algorithm', 'ed25519')
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, 'wb') as f:
        f.write(pem)
    print('image: a key for updates was made for development: %s\n'
          '  Images built here take updates that are signed with it, and no others but those of '
          'board/arm64/update-keys.txt.\n  Keep it: without it those boxes have to be written '
          'anew. UPDATE_KEY=FILE takes another.' % path)


def public(path):
    """The last 32 bytes of the DER form are the key itself (RFC 8410)."""
    der = openssl('pkey', '-in', path, '-pubout', '-outform', 'DER')
    if len(der) != 44 or der[:12] != bytes.fromhex('302a300506032b6570032100'):
        raise BadUpdate('%s holds no Ed25519 key' % path)
    return der[12:]


def listed(path):
    with open(path, encoding='utf-8') as f:
        lines = [line.split('#')[0].strip() for line in f]
    keys = [bytes.fromhex(line) for line in lines if line]
    if any(len(key) != 32 for key in keys):
        raise BadUpdate('%s: a key is 64 digits of hex' % path)
    return keys


def header(args):
    keys = listed(args.list)
    if args.key:
        own = public(args.key)
        keys += [own] if own not in keys else []
    if len(keys) > KEYS:
        raise BadUpdate('%d keys; at most %d' % (len(keys), KEYS))
    print('static const struct update_keys built_in = { %d, {' % len(keys))
    for key in keys or [bytes(32)]:
        print('\t{ %s },' % ', '.join('0x%02x' % b for b in key))
    print('} };')


def text(value, size):
    data = value.encode()
    if not NAME.match(value) or len(data) >= size:
        raise BadUpdate('"%s": at most %d of a-z, 0-9, "-" and "."' % (value, size - 1))
    return data.ljust(size, b'\0')


def head_of(board, version, build, parts):
    """The signed part; parts: (name, bytes)."""
    if not 0 < len(parts) <= PARTS:
        raise BadUpdate('%d parts; at most %d' % (len(parts), PARTS))
    if sum(len(data) for _, data in parts) > BYTES_MAX:
        raise BadUpdate('the parts are larger than a slot, %d MiB' % (BYTES_MAX >> 20))
    head = b'nightstand-upd1\n' + struct.pack('<IIQ', len(parts), 0, build)
    head += text(board, 16) + text(version, 32)
    head = head.ljust(PARTS_AT, b'\0')
    for name, data in parts:
        head += (text(name, 32) + struct.pack('<Q', len(data)) + hashlib.sha256(data).digest()
                 + bytes(24))
    return head.ljust(SIGNED, b'\0')


def sign(key, data):
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        signature = openssl('pkeyutl', '-sign', '-rawin', '-inkey', key, '-in', f.name)
    if len(signature) != 64:
        raise BadUpdate('%s made no Ed25519 signature' % key)
    return signature


def make(args):
    parts = []
    for part in args.parts:
        name, _, path = part.partition('=')
        with open(path, 'rb') as f:
            parts.append((name, f.read()))
    head = head_of(args.board, args.version, args.build, parts)
    with open(args.out + '.new', 'wb') as f:
        f.write(head + sign(args.key, head))
        for _, data in parts:
            f.write(data)
        size = f.tell()
    os.replace(args.out + '.new', args.out)
    print('update %s %s, build %d: %.1f MiB, %s' %
          (args.board, args.version, args.build, size / 2**20, args.out))


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('step', choices=['key', 'public', 'header', 'make'])
    p.add_argument('--key')
    p.add_argument('--list')
    p.add_argument('--board')
    p.add_argument('--version')
    p.add_argument('--build', type=int)
    p.add_argument('--out')
    p.add_argument('parts', nargs='*')
    args = p.parse_intermixed_args()
    try:
        if args.step == 'key':
            make_key(args.key)
        elif args.step == 'public':
            print(public(args.key).hex())
        elif args.step == 'header':
            header(args)
        else:
            make(args)
    except (BadUpdate, ValueError, OSError, subprocess.CalledProcessError) as e:
        print('update: %s' % e, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
