"""The card: a partition table, a FAT partition that any PC reads, and the mark
where the box makes its own partition at the first start. Needs no root."""

import os
import struct
import subprocess

SECTOR = 512
FAT_AT = 2048  # sectors: 1 MiB, as everybody does
FAT_SECTORS = 60 * 2048
DATA_SECTORS = 256 * 2048
SERIAL = 0x4e534944

# What the box looks for before it makes its file system there (card.c).
DATA_MARK = b'nightstand: make the data partition here\n'


def entry(kind, first, count, active=False):
    """Addresses by cylinder are long unused: the largest says so."""
    far = b'\xfe\xff\xff'
    return struct.pack('<B3sB3sII', 0x80 if active else 0, far, kind, far, first, count)


def table():
    data_at = FAT_AT + FAT_SECTORS
    parts = entry(0x0c, FAT_AT, FAT_SECTORS, True) + entry(0x83, data_at, DATA_SECTORS)
    return (b'\0' * 440 + struct.pack('<IH', SERIAL, 0) + parts).ljust(510, b'\0') + b'\x55\xaa'


def mtools(command, *args):
    env = dict(os.environ, MTOOLS_SKIP_CHECK='1', SOURCE_DATE_EPOCH='315619200',
               TZ='UTC', MTOOLSRC='/dev/null', LC_ALL='C.UTF-8')
    subprocess.run([command, *args], check=True, env=env)


def write(path, files):
    """`files`: name on the card -> path here; folders are made as needed."""
    new = path + '.new'
    with open(new, 'wb') as f:
        f.write(table())
        f.truncate((FAT_AT + FAT_SECTORS) * SECTOR)
        f.seek((FAT_AT + FAT_SECTORS) * SECTOR)
        f.write(DATA_MARK.ljust(4096, b'\0'))
    image = '%s@@%d' % (new, FAT_AT * SECTOR)
    mtools('mformat', '-i', image, '-F', '-T', str(FAT_SECTORS), '-h', '255', '-s', '63',
           '-H', str(FAT_AT), '-N', '%08x' % SERIAL, '-v', 'NIGHTSTAND', '::')
    made = set()
    for name in sorted(files):
        folder = os.path.dirname(name)
        if folder and folder not in made:
            made.add(folder)
            mtools('mmd', '-i', image, '::' + folder)
        mtools('mcopy', '-i', image, '-m', files[name], '::' + name)
    os.replace(new, path)
