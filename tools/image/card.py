"""The card: a partition table, a FAT partition that any PC reads, and the mark
where the box makes its own partition at the first start. Needs no root."""

import os
import struct
import subprocess

SECTOR = 512
FAT_AT = 2048  # sectors: 1 MiB, as everybody does
# Two slots of a kernel each. The image ends behind the last file, so that most of
# this partition is only declared.
FAT_SECTORS = 128 * 2048
DATA_SECTORS = 256 * 2048
SERIAL = 0x4e534944

# What the box looks for before it makes its own file system (init_card.c), in the
# gap before the first partition.
DATA_MARK = b'nightstand: make the data partition\n'
DATA_MARK_AT = 4096


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
        f.seek(DATA_MARK_AT)
        f.write(DATA_MARK)
        f.truncate((FAT_AT + FAT_SECTORS) * SECTOR)
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
    os.truncate(new, FAT_AT * SECTOR + fat_end(new))
    os.replace(new, path)


def fat_end(path):
    """Bytes of the FAT32 up to the end of its last cluster that is used."""
    with open(path, 'rb') as f:
        f.seek(FAT_AT * SECTOR)
        boot = f.read(SECTOR)
        per_cluster, reserved, n_fats = struct.unpack_from('<BHB', boot, 13)
        fat_sectors, = struct.unpack_from('<I', boot, 36)
        f.seek((FAT_AT + reserved) * SECTOR)
        fat = f.read(fat_sectors * SECTOR)
    used = [n for n, (entry_,) in enumerate(struct.iter_unpack('<I', fat)) if entry_]
    first = reserved + n_fats * fat_sectors  # cluster 2
    return (first + (used[-1] - 1) * per_cluster) * SECTOR
