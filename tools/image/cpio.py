"""Writes an initramfs: cpio's "newc" format, the same bytes for the same files.

Owners, times and inode numbers are ours, so nothing of the building machine
gets in, and device nodes need no root.
"""


class Cpio:
    def __init__(self):
        self.entries = {}

    def folder(self, path, mode=0o755):
        parent = path.rpartition('/')[0]
        if parent and parent not in self.entries:
            self.folder(parent)
        self.entries.setdefault(path, (0o040000 | mode, b'', (0, 0)))

    def _put(self, path, entry):
        parent = path.rpartition('/')[0]
        if parent:
            self.folder(parent)
        if path in self.entries:
            raise ValueError('%s stands in the image twice' % path)
        self.entries[path] = entry

    def file(self, path, data, mode=0o644):
        self._put(path, (0o100000 | mode, data, (0, 0)))

    def link(self, path, target):
        self._put(path, (0o120777, target.encode(), (0, 0)))

    def device(self, path, major, minor, mode=0o600):
        self._put(path, (0o020000 | mode, b'', (major, minor)))

    def bytes(self):
        out = bytearray()
        for number, path in enumerate(sorted(self.entries), 1):
            mode, data, device = self.entries[path]
            append(out, number, mode, data, device, path)
        append(out, 0, 0, b'', (0, 0), 'TRAILER!!!')
        return bytes(out) + b'\0' * (-len(out) % 512)


def append(out, number, mode, data, device, path):
    name = path.encode() + b'\0'
    links = 2 if mode & 0o170000 == 0o040000 else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name), 0)
    out += b'070701' + b''.join(b'%08X' % field for field in fields) + name
    out += b'\0' * (-len(out) % 4)
    out += data
    out += b'\0' * (-len(out) % 4)
