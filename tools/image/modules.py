"""Which kernel modules go into the image, and in which order they load.

A board's modules.txt names them: `always NAME…` are loaded at every start,
`device NAME…` when the kernel meets a device that one of their aliases fits,
`beside DRIVER NAME…` when it meets one for DRIVER, which asks modprobe for them.
What they need (depends, softdep) comes along by itself.
"""

import lzma
import os
import struct

import elf


SIGNED = b'~Module signature appended~\n'  # the kernel's module_signature.h


class BadModules(Exception):
    pass


def without_signature(data):
    """A module's bytes as they were before Debian signed them.

    This kernel loads modules that nobody has signed as well, so the signature keeps
    nothing out, and what the box runs is signed as a whole (update.py). But it is
    checked at each start: 0.9 of 3.65 thousand million instructions in all (QEMU's machine).
    """
    if not data.endswith(SIGNED):
        return data
    end = len(data) - len(SIGNED) - 12
    if end < 0:
        raise BadModules('a module is nothing but its signature')
    kind, length = struct.unpack('>2xB5xI', data[end:end + 12])
    if kind != 2 or length > end:
        raise BadModules('a module is signed in a way that is not known')
    return data[:end - length]


def read_list(path):
    """(always, device): names in the order of the file; beside: driver -> names."""
    kinds = {'always': [], 'device': []}
    beside = {}
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            words = line.split('#')[0].split()
            if not words:
                continue
            if words[0] == 'beside' and len(words) > 2:
                beside.setdefault(plain(words[1]), []).extend(map(plain, words[2:]))
                continue
            if words[0] not in kinds or len(words) < 2:
                raise BadModules('%s:%d: "always NAME…", "device NAME…" or '
                                 '"beside DRIVER NAME…"' % (path, number))
            kinds[words[0]] += words[1:]
    return kinds['always'], kinds['device'], beside


class Kernel:
    """The modules of one kernel, as its packages have laid them."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {}
        for top, dirs, files in os.walk(os.path.join(folder, 'kernel')):
            dirs.sort()
            for name in sorted(files):
                if '.ko' in name:
                    self.files[plain(name.split('.ko')[0])] = os.path.join(top, name)
        with open(os.path.join(folder, 'modules.builtin'), encoding='utf-8') as f:
            self.builtin = {plain(os.path.basename(line.strip())[:-3]) for line in f}
        self.known = {}

    def bytes_of(self, name):
        path = self.files[name]
        with open(path, 'rb') as f:
            data = f.read()
        if path.endswith('.xz'):
            return without_signature(lzma.decompress(data))
        if path.endswith('.ko'):
            return without_signature(data)
        raise BadModules('%s: packed in a way that is not known' % path)

    def module(self, name):
        """Its bytes, what it needs, and its aliases."""
        if name not in self.known:
            data = self.bytes_of(name)
            needs, wishes, aliases = [], [], []
            for key, value in elf.modinfo(data):
                if key == 'depends':
                    needs += [plain(n) for n in value.split(',') if n]
                elif key == 'softdep':
                    wishes += before(value)
                elif key == 'alias' and ':' in value:
                    aliases.append(value)
            self.known[name] = (data, needs, wishes, aliases)
        return self.known[name]

    def closure(self, names):
        """All that these need and they themselves, each after its needs."""
        order = []

        def add(name, why, must):
            if name in order or name in self.builtin:
                return
            if name not in self.files:
                if must:
                    raise BadModules('no kernel module %s (for %s)' % (name, why))
                return  # a softdep may name what this kernel does not have
            _, needs, wishes, _ = self.module(name)
            for n in wishes:
                add(n, name, False)
            for n in needs:
                add(n, name, True)
            order.append(name)

        for name in names:
            add(plain(name), 'modules.txt', True)
        return order


def plain(name):
    return name.replace('-', '_')


def before(softdep):
    """The modules that a softdep wants first: "pre: a b post: c"."""
    names, kind = [], ''
    for word in softdep.split():
        if word in ('pre:', 'post:'):
            kind = word
        elif kind == 'pre:':
            names.append(plain(word))
    return names


def table(kernel, always, device, beside):
    """The names, and the text that the box reads (drivers/machine/modules.h):
    `always|module NAME NEEDED…` in the order of loading, `alias PATTERN NAME`.
    """
    order = kernel.closure(always + device + [n for names in beside.values() for n in names])
    at_start = kernel.closure(always)
    lines = []
    for name in order:
        word = 'always' if name in at_start else 'module'
        lines.append(' '.join([word, name] + kernel.closure([name])[:-1]))
    for name in order:
        lines += ['alias %s %s' % (alias, name) for alias in kernel.module(name)[3]]
    for driver, names in beside.items():
        lines += ['alias %s %s' % (alias, name) for name in names
                  for alias in kernel.module(driver)[3]]
    return order, '\n'.join(lines) + '\n'
