"""The Debian packages of an image: what fetch.sh has brought and listed."""

import hashlib
import os
import subprocess


class BadPackages(Exception):
    pass


class Deb:
    def __init__(self, cache, line):
        self.set, self.name, self.version, self.sha256, file, self.suite = line.split()
        self.path = os.path.join(cache, file)

    def check(self):
        with open(self.path, 'rb') as f:
            if hashlib.sha256(f.read()).hexdigest() != self.sha256:
                raise BadPackages('%s is not what was fetched; `make image UPDATE=1`'
                                  % self.path)

    def unpack(self, folder):
        """Files only: no script of the package runs."""
        os.makedirs(folder, exist_ok=True)
        subprocess.run(['dpkg-deb', '-x', self.path, folder], check=True)

    def field(self, name):
        return subprocess.run(['dpkg-deb', '-f', self.path, name], check=True,
                              stdout=subprocess.PIPE, encoding='utf-8').stdout.strip()


def read(cache):
    with open(os.path.join(cache, 'packages.lock'), encoding='utf-8') as f:
        return [Deb(cache, line) for line in f if not line.startswith('#')]


def lay(debs, sets, folder):
    """Unpacks these sets into `folder`, unless they lie there already."""
    chosen = [d for d in debs if d.set in sets]
    mark = os.path.join(folder, '.packages')
    text = ''.join('%s %s\n' % (d.name, d.sha256) for d in chosen)
    try:
        with open(mark, encoding='utf-8') as f:
            if f.read() == text:
                return
    except OSError:
        pass
    subprocess.run(['rm', '-rf', folder], check=True)
    for deb in chosen:
        deb.check()
        deb.unpack(folder)
    # libc.so is a linker script that names /lib; the packages have usr/lib.
    if not os.path.lexists(os.path.join(folder, 'lib')):
        os.symlink('usr/lib', os.path.join(folder, 'lib'))
    with open(mark, 'w', encoding='utf-8') as f:
        f.write(text)
