#!/usr/bin/python3
"""Builds the image of a board; `make image` calls it, in two steps.

    build.py sysroot --cache DIR --work DIR
        what the program is compiled and linked against
    build.py image --cache DIR --work DIR --board NAME --program FILE --out DIR
        kernel, initramfs, card

The cache is filled by fetch.sh. No root is needed, no script of a package runs,
and the same packages and the same program make the same bytes.
"""

import argparse
import glob
import hashlib
import os
import subprocess
import sys
import tarfile
import zlib

import card
import cpio
import debs
import elf
import modules
import spdx
import update

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LIBS = 'usr/lib/aarch64-linux-gnu'
LIMIT = 64 << 20
EPOCH = 315619200  # 1980, where FAT's time begins, plus a day for any zone

# Programs of packages that the box calls, and where they lie in a package.
TOOLS = {'usr/sbin/e2fsck': 'usr/sbin/e2fsck', 'usr/sbin/mke2fs': 'usr/sbin/mke2fs',
         'usr/sbin/fsck.exfat': 'usr/sbin/fsck.exfat', 'usr/sbin/kexec': 'usr/sbin/kexec',
         'usr/sbin/wpa_supplicant': 'usr/sbin/wpa_supplicant',
         'usr/sbin/cryptsetup': 'usr/sbin/cryptsetup'}

# What a Raspberry Pi's Wi-Fi chip asks for, and the kernel for the countries'
# rules, below usr/lib/firmware.
FIRMWARE = ('brcm/brcmfmac43430-sdio.*', 'brcm/brcmfmac43455-sdio.*')
REGULATORY = ('regulatory.db', 'regulatory.db.p7s')

PASSWD = '''root:x:0:0:root:/:/nologin
nightstand-web:x:100:100:the page:/:/nologin
nightstand-wifi:x:101:101:the link of Wi-Fi:/:/nologin
nightstand-usb:x:102:102:the driver for phones:/:/nologin
nightstand-vault:x:103:103:backups:/:/nologin
nightstand-watch:x:104:104:is a phone unlocked:/:/nologin
nightstand-update:x:105:105:an update of the firmware:/:/nologin
nobody:x:65534:65534:nobody:/:/nologin
'''
GROUP = ''.join(line.split(':')[0].replace('nobody', 'nogroup') + ':x:' + line.split(':')[3] + ':\n'
                for line in PASSWD.splitlines())


class BadImage(Exception):
    pass


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def write(path, data):
    """Whole or not at all; of the one time that all files of an image have."""
    with open(path + '.new', 'wb') as f:
        f.write(data)
    os.utime(path + '.new', (EPOCH, EPOCH))
    os.replace(path + '.new', path)


def gzip(data):
    """As `gzip -9n`: no name and no time in it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def zstd(data, level):
    return subprocess.run(['zstd', '-q', '-%d' % level, '-c'], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


def packed(work, name, data, pack, *how):
    """What pack(data, *how) gives, kept: it takes most of an image's time, and the
    next image, or that of the other board, mostly has the same in it."""
    path = os.path.join(work, name + '.packed')
    key = hashlib.sha256(repr(how).encode() + data).digest()
    old = read(path) if os.path.exists(path) else b''
    if old[:len(key)] == key:
        return old[len(key):]
    new = pack(data, *how)
    write(path, key + new)
    return new


def strip(path):
    """The program without its debug information."""
    out = path + '.stripped'
    subprocess.run(['aarch64-linux-gnu-strip', '-o', out, path], check=True)
    return read(out)


def libraries(sysroot, programs):
    """Name -> bytes of every library that these need, the loader too."""
    found, wanted = {}, []
    loader = None
    for name, data in programs.items():
        names, interp = elf.needed(data)
        wanted += [(n, name) for n in names]
        loader = interp or loader
    while wanted:
        name, by = wanted.pop()
        if name in found:
            continue
        path = os.path.join(sysroot, LIBS, name)
        if not os.path.exists(path):
            raise BadImage('%s needs %s, which no package in packages.txt has' % (by, name))
        found[name] = read(path)
        wanted += [(n, name) for n in elf.needed(found[name])[0]]
    return found, loader


def kernel_folder(work):
    found = glob.glob(os.path.join(work, 'kernel/usr/lib/modules/*'))
    if len(found) != 1:
        raise BadImage('not one kernel in %s: %s' % (work, found))
    return found[0]


def kernel_image(work):
    """A plain Image: QEMU and the Pi's loader both take it packed by gzip."""
    places = (glob.glob(os.path.join(kernel_folder(work), 'vmlinuz')) +
              glob.glob(os.path.join(work, 'kernel/boot/vmlinuz-*')))
    if len(places) != 1:
        raise BadImage('not one vmlinuz in %s' % work)
    data = read(places[0])
    if data[0x38:0x3c] != b'ARM\x64':
        raise BadImage('%s is not a plain arm64 Image' % places[0])
    return data


def initramfs(work, program):
    sysroot = os.path.join(work, 'sysroot')
    root = cpio.Cpio()
    for folder in ('dev', 'proc', 'sys', 'run', 'tmp', 'data', 'card', 'disk', 'etc'):
        root.folder(folder)
    root.device('dev/console', 5, 1)
    root.device('dev/null', 1, 3, 0o666)
    root.link('lib', 'usr/lib')
    root.link('bin', 'usr/bin')
    root.link('sbin', 'usr/sbin')
    root.link('init', 'usr/bin/nightstand')
    root.link('etc/mtab', '../proc/mounts')
    root.file('etc/passwd', PASSWD.encode())
    root.file('etc/group', GROUP.encode())
    programs = {'usr/bin/nightstand': strip(program)}
    for place, source in TOOLS.items():
        programs[place] = read(os.path.join(sysroot, source))
    for place, data in programs.items():
        root.file(place, data, 0o755)
    libs, loader = libraries(sysroot, programs)
    for name, data in libs.items():
        root.file('%s/%s' % (LIBS, name), data, 0o755)
    if os.path.basename(loader) not in libs:
        root.file('usr' + loader, read(os.path.join(sysroot, LIBS, os.path.basename(loader))), 0o755)
    else:
        root.link('usr' + loader, 'aarch64-linux-gnu/' + os.path.basename(loader))
    root.file('usr/share/zones.txt', zones(os.path.join(sysroot, 'usr/share/zoneinfo')))
    add_firmware(root, os.path.join(work, 'firmware/usr/lib/firmware'))
    names = add_modules(root, work)
    return root.bytes(), names, list(libs)


def zones(folder):
    """Each zone's rule of today, as it ends its file (drivers/clock/zone.c)."""
    lines = []
    for top, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(top, file)
            name = os.path.relpath(path, folder)
            data = read(path) if not name.startswith(('posix/', 'right/')) else b''
            if data[:4] == b'TZif' and data.endswith(b'\n'):
                rule = data[:-1].rpartition(b'\n')[2].decode()
                if rule:
                    lines.append('%s %s\n' % (name, rule))
    if len(lines) < 100:
        raise BadImage('tzdata has changed its shape: %d zones' % len(lines))
    return ''.join(sorted(lines)).encode()


def is_of_a_pi(name):
    """Of the settings for boards, those of a Raspberry Pi."""
    return not name.endswith('.txt') or '.raspberrypi,' in name


def add_firmware(root, folder):
    """The files that links lead to stand once, the other names are links."""
    places = {}
    for pattern in FIRMWARE:
        found = [p for p in sorted(glob.glob(os.path.join(folder, pattern)))
                 if is_of_a_pi(os.path.basename(p))]
        if not found:
            raise BadImage('no firmware %s' % pattern)
        for path in found:
            name = os.path.relpath(path, folder)
            real = os.path.realpath(path)
            if real in places:
                root.link('usr/lib/firmware/' + name, '/usr/lib/firmware/' + places[real])
                continue
            places[real] = name
            root.file('usr/lib/firmware/' + name, read(real))
    for name in REGULATORY:
        root.file('usr/lib/firmware/' + name, read(os.path.join(folder, name + '-upstream')))


def add_modules(root, work):
    kernel = modules.Kernel(kernel_folder(work))
    lists = modules.read_list(os.path.join(TOP, 'board/arm64/modules.txt'))
    names, text = modules.table(kernel, *lists)
    for name in names:
        root.file('usr/lib/modules/%s.ko' % name, kernel.module(name)[0])
    root.file('usr/lib/modules/modules.txt', text.encode())
    return names


# --- what is in it ------------------------------------------------------------------

def newest(cache, pattern):
    found = glob.glob(os.path.join(cache, pattern))
    return max(found, key=os.path.getmtime) if found else None


def compiled_in(cache):
    """What comes from source: name, version, the text of its licence."""
    above = os.path.dirname(os.path.abspath(cache))
    for name, pattern in (('lwip', 'lwip_*.debian.tar.xz'), ('node-llhttp', 'node-llhttp_*.deb'),
                          ('librust-blake3-dev', 'librust-blake3-dev_*.deb')):
        path = newest(above, pattern)
        if not path:
            yield name, 'given by hand', ''
            continue
        version = os.path.basename(path).split('_')[1].replace('.debian.tar.xz', '')
        if path.endswith('.deb'):
            data = subprocess.run(['dpkg-deb', '--fsys-tarfile', path], check=True,
                                  stdout=subprocess.PIPE).stdout
            text = member(data, 'copyright')
        else:
            with tarfile.open(path) as tar:
                text = tar.extractfile('debian/copyright').read().decode(errors='replace')
        yield name, version, text


def member(tar_bytes, ending):
    import io
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        for entry in tar:
            if entry.isfile() and os.path.basename(entry.name) == ending:
                return tar.extractfile(entry).read().decode(errors='replace')
    return ''


def inventory(args, chosen, folders):
    """The SPDX text, and name -> licence text."""
    texts, packages = {}, []
    for deb in chosen:
        text = ''.join(filter(None, [spdx.copyright_of(folders[deb.set], deb.name)]))
        texts[deb.name] = text
        packages.append(spdx.package(deb.name, deb.version, spdx.words_of(text),
                                     'Debian package, from %s' % deb.suite, deb.sha256))
    for name, version, text in compiled_in(args.cache):
        texts[name] = text
        packages.append(spdx.package(name, version, spdx.words_of(text),
                                     'Debian package, compiled in from its source'))
    own = read(os.path.join(TOP, 'LICENSE')).decode()
    texts['nightstand'] = own
    packages.append(spdx.package('nightstand', args.version, ['MIT'], 'the program'))
    return spdx.document('nightstand-image', args.version, packages), texts


def licences(texts):
    """One file: the same text stands once, below all packages that have it."""
    by_text = {}
    for name in sorted(texts):
        by_text.setdefault(texts[name] or '(the package has no copyright file)\n', []).append(name)
    parts = ['===== %s =====\n\n%s\n' % (', '.join(names), text)
             for text, names in sorted(by_text.items(), key=lambda item: item[1])]
    return '\n'.join(parts).replace('\n', '\r\n').encode()


# --- the steps ------------------------------------------------------------------------

def sysroot(args):
    debs.lay(debs.read(args.cache), ('link', 'run'), os.path.join(args.work, 'sysroot'))


def is_in(deb, libs, folders):
    """Its files are in the image: a program, a library, the kernel, firmware."""
    if deb.set in ('kernel', 'boot', 'firmware') or deb.name in (
            'e2fsprogs', 'exfatprogs', 'kexec-tools', 'tzdata', 'wpasupplicant'):
        return True
    if deb.set != 'run':
        return False
    listing = subprocess.run(['dpkg-deb', '-c', deb.path], check=True, encoding='utf-8',
                             stdout=subprocess.PIPE).stdout
    names = {os.path.basename(line.split(' -> ')[0]) for line in listing.splitlines()}
    return any(name in names for name in libs)


def image(args):
    all_debs = debs.read(args.cache)
    folders = {'run': os.path.join(args.work, 'sysroot'),
               'kernel': os.path.join(args.work, 'kernel'),
               'firmware': os.path.join(args.work, 'firmware'),
               'test': os.path.join(args.work, 'test'),
               'boot': os.path.join(args.work, 'boot')}
    for name in ('kernel', 'firmware', 'test'):
        debs.lay(all_debs, (name,), folders[name])
    is_pi = args.board == 'rpi-arm64'
    if is_pi:
        debs.lay(all_debs, ('boot',), folders['boot'])
    os.makedirs(args.out, exist_ok=True)
    out = lambda name: os.path.join(args.out, name)  # noqa: E731

    write(out('kernel8.img'), packed(args.work, 'kernel', kernel_image(args.work), gzip))
    tree, names, libs = initramfs(args.work, args.program)
    write(out('initrd.img'), packed(args.work, 'initrd', tree, zstd, args.level))
    chosen = [d for d in all_debs if (is_pi or d.set != 'boot') and is_in(d, libs, folders)]
    text, texts = inventory(args, chosen, folders)
    write(out('packages.spdx.json'), text.encode())
    write(out('LICENCES.txt'), licences(texts))
    files = {name: out(name) for name in ('packages.spdx.json', 'LICENCES.txt')}
    files.update(board_files(args, folders))
    slot = {name: out(name) for name in ('kernel8.img', 'initrd.img')}
    for name in [n for n in files if n == 'cmdline.txt' or n.endswith('.dtb')]:
        slot[name] = files.pop(name)
    check_slot(slot)
    write(out('slot.list'), ''.join('%s=%s\n' % item for item in sorted(slot.items())).encode())
    write(out('slot.txt'), slot_text(args.board))
    files['slot.txt'] = out('slot.txt')
    files.update({'a/' + name: path for name, path in slot.items()})
    card.write(out('card.img'), files)
    report(args, out, len(tree), len(names), len(libs))


def slot_text(board):
    """What lib/update/slots.c reads and the Pi's loader includes: one sector."""
    return ('os_prefix=a/\n#board=%s\n#try=none\n' % board).ljust(511).encode() + b'\n'


def check_slot(slot):
    """An update of this size must find room beside it (update_file.h)."""
    size = sum(os.path.getsize(path) for path in slot.values())
    if size > update.BYTES_MAX:
        raise BadImage('kernel, initramfs and device trees are %.1f MiB; a slot holds %d' %
                       (size / 2**20, update.BYTES_MAX >> 20))


def board_files(args, folders):
    """The files of board/NAME/card/, and what a Pi's loader wants."""
    files = {}
    staged = os.path.join(args.out, 'card')
    os.makedirs(staged, exist_ok=True)
    for folder in ('arm64', args.board):
        for path in sorted(glob.glob(os.path.join(TOP, 'board', folder, 'card', '*'))):
            name = os.path.basename(path)
            data = read(path)
            if name in ('SETTINGS.txt', 'README.txt'):  # for a PC's editor
                data = data.replace(b'\n', b'\r\n')
            files[name] = os.path.join(staged, name)
            write(files[name], data)
    if args.board == 'rpi-arm64':
        files.update(pi_files(args, folders, staged))
    return files


# What the loader looks for: name on the card -> name in its package. A Pi 5
# has its loader on the board, and two names for its newer chip.
PI_LOADER = ('bootcode.bin', 'start.elf', 'fixup.dat', 'start4.elf', 'fixup4.dat')
PI_TREES = ('bcm2711-rpi-4-b', 'bcm2711-rpi-400', 'bcm2711-rpi-cm4-io', 'bcm2712-rpi-5-b',
            'bcm2712-d-rpi-5-b', 'bcm2837-rpi-3-a-plus', 'bcm2837-rpi-3-b',
            'bcm2837-rpi-3-b-plus', 'bcm2837-rpi-cm3-io3', 'bcm2837-rpi-zero-2-w')


def pi_files(args, folders, staged):
    kernel = kernel_folder(args.work)
    trees = os.path.join(kernel, 'dtb/broadcom')
    if not os.path.isdir(trees):  # trixie's own kernel has them elsewhere
        trees = os.path.join(args.work, 'kernel/usr/lib',
                             'linux-image-' + os.path.basename(kernel), 'broadcom')
    wanted = {n: os.path.join(folders['boot'], 'usr/lib/raspi-firmware', n) for n in PI_LOADER}
    for name in PI_TREES:
        path = os.path.join(trees, name + '.dtb')
        if os.path.exists(path):
            wanted[name + '.dtb'] = path
        elif not name.startswith('bcm2712'):
            raise BadImage('the kernel has no device tree %s' % name)
    if 'bcm2712-d-rpi-5-b.dtb' in wanted:
        wanted['bcm2712d0-rpi-5-b.dtb'] = wanted['bcm2712-d-rpi-5-b.dtb']
    files = {}
    for name, path in wanted.items():
        files[name] = os.path.join(staged, name)
        write(files[name], read(path))
    for source in sorted(glob.glob(os.path.join(TOP, 'board/rpi-arm64/*.dts'))):
        name = os.path.splitext(os.path.basename(source))[0] + '.dtbo'
        overlay = os.path.join(staged, name)
        subprocess.run(['dtc', '-q', '-@', '-I', 'dts', '-O', 'dtb', '-o', overlay, source],
                       check=True)
        write(overlay, read(overlay))
        files['overlays/' + name] = overlay
    return files


def report(args, out, tree, n_modules, n_libs):
    size = os.path.getsize(out('card.img'))
    print('image %s: %.1f MiB (at most %d), in %s' %
          (args.board, size / 2**20, LIMIT >> 20, args.out))
    print('  kernel %.1f MiB, initramfs %.1f MiB (%.1f unpacked: program, %d libraries, %d modules)'
          % (os.path.getsize(out('kernel8.img')) / 2**20,
             os.path.getsize(out('initrd.img')) / 2**20, tree / 2**20, n_libs, n_modules))
    if args.board == 'rpi-arm64':
        print('  to a card: find its name with `lsblk -d -o NAME,SIZE,MODEL,TRAN`, then as root\n'
              '      tools/image/write-card.sh %s /dev/NAME\n'
              '  which shows it and asks; any other writer of images does it, too' % out('card.img'))
    if size > LIMIT:
        raise BadImage('the image is too large')


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('step', choices=['sysroot', 'image'])
    p.add_argument('--cache', required=True)
    p.add_argument('--work', required=True)
    p.add_argument('--board', choices=['qemu-arm64', 'rpi-arm64'])
    p.add_argument('--program')
    p.add_argument('--version', default='0')
    p.add_argument('--out')
    p.add_argument('--level', type=int, default=19, help='how hard zstd tries')
    args = p.parse_args()
    try:
        {'sysroot': sysroot, 'image': image}[args.step](args)
    except (BadImage, elf.BadElf, modules.BadModules, debs.BadPackages,
            subprocess.CalledProcessError, OSError) as e:
        sys.exit('image: %s' % e)


if __name__ == '__main__':
    main()
