"""What the image's builder reads out of ELF files (64 bits, little endian)."""

import struct


class BadElf(Exception):
    pass


def sections(data):
    """Name -> bytes of each section that lies in the file."""
    if data[:6] != b'\x7fELF\x02\x01':
        raise BadElf('not an ELF file of 64 bits, little endian')
    at, = struct.unpack_from('<Q', data, 0x28)
    size, count, names_at = struct.unpack_from('<HHH', data, 0x3a)
    heads = [struct.unpack_from('<IIQQQQIIQQ', data, at + i * size) for i in range(count)]
    names = heads[names_at]
    table = data[names[4]:names[4] + names[5]]
    found = {}
    for head in heads:
        end = table.index(b'\0', head[0])
        if head[1] != 8:  # SHT_NOBITS has no bytes
            found[table[head[0]:end].decode()] = data[head[4]:head[4] + head[5]]
    return found


def modinfo(data):
    """A kernel module's own words: (key, value) pairs."""
    pairs = []
    for field in sections(data).get('.modinfo', b'').split(b'\0'):
        key, _, value = field.decode(errors='replace').partition('=')
        if key:
            pairs.append((key, value))
    return pairs


def needed(data):
    """The libraries that a program or a library asks for, and its loader."""
    found = sections(data)
    strings = found.get('.dynstr', b'')
    names = []
    dynamic = found.get('.dynamic', b'')
    for at in range(0, len(dynamic) - 15, 16):
        tag, value = struct.unpack_from('<qQ', dynamic, at)
        if tag == 1:  # DT_NEEDED
            names.append(strings[value:strings.index(b'\0', value)].decode())
    interp = found.get('.interp', b'').rstrip(b'\0').decode()
    return names, interp
