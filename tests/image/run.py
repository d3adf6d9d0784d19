#!/usr/bin/python3
"""Runs the tests of the image: run.py [-j N] [-k TEXT] [--list] [--keep] [--results FILE].

More machines at a time than processors, as each waits more than it works; the
longest begin first. Where the times of an LED are looked at (`timed`), the other
machines step back. The last line counts: "N passed, N failed, N skipped".
"""

import argparse
import concurrent.futures
import importlib
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import begun  # noqa: E402  (needs the path above)
import vm  # noqa: E402


class Rig:
    """A test's folder, and the machines that it started."""

    def __init__(self, folder, timed=False):
        self.dir = pathlib.Path(folder)
        self.timed = timed
        self.vms = []
        self.ends = []

    def card(self, settings=None, **options):
        return vm.Card(self.dir / "card.img", settings, **options)

    def disk(self, name, make=None, mib=256):
        """A disk's bytes: empty, or what the command `make` puts on it."""
        path = self.dir / name
        path.touch()
        os.truncate(path, mib << 20)
        if make:
            subprocess.run([*make, str(path)], check=True, capture_output=True)
        return path

    def vm(self, card, **options):
        machine = vm.Vm(self.dir, card, **options)
        if not self.timed:
            machine.nice = ["nice", "-n", "15"]
        self.vms.append(machine)
        return machine

    def running(self):
        """A machine that serves its page, without a disk."""
        folder = begun.at_page(self)
        return self.vm(vm.Card(self.dir / "card.img", copy_of=folder / "card.img")).go_on_from(folder)

    def end(self):
        for undo in self.ends:
            undo()
        for machine in self.vms:
            if machine.proc:
                machine.cut()


def collect(text):
    for f in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f.stem)
        for name, fn in vars(module).items():
            full = f"{f.stem[5:]}.{name[5:]}"
            if name.startswith("test_") and callable(fn) and text in full:
                yield full, fn


def run_one(full, fn, base, keep):
    folder = pathlib.Path(base) / full
    folder.mkdir()
    rig = Rig(folder, timed=hasattr(fn, "timed"))
    start = time.monotonic()
    verdict, text = "ok  ", ""
    try:
        text = fn(rig) or ""
    except vm.Skip as e:
        verdict, text = "skip", str(e)
    except (vm.Failed, AssertionError) as e:
        where = [f for f in traceback.extract_tb(e.__traceback__) if "/test_" in f.filename]
        verdict, text = "FAIL", f"{e} (line {where[-1].lineno if where else '?'})"
    except Exception:  # a test's own mistake is a failure too
        verdict, text = "FAIL", traceback.format_exc()
    finally:
        rig.end()
    cpu = sum(machine.cpu for machine in rig.vms)
    print(f"{verdict} image {full} ({time.monotonic() - start:.1f} s, QEMU's processor {cpu:.0f} s)"
          f"{': ' if text else ''}{text}",
          flush=True)
    if verdict == "FAIL":
        print(f"     its folder: {folder}")
    elif not keep:
        shutil.rmtree(folder)
    return verdict


def what_lacks():
    for tool in ("qemu-system-aarch64", "dtc", "fdtoverlay", "mcopy"):
        if not shutil.which(tool):
            return f"{tool} is missing (tools/deps/install.sh image)"
    if not (vm.image_dir() / "card.img").exists():
        return "no image: make image BOARD=qemu-arm64"
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("-j", type=int, default=4 * (os.cpu_count() or 1))
    ap.add_argument("-k", default="")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--keep", action="store_true")
    ap.add_argument("--quick", action="store_true", help="a minute's worth (make check)")
    ap.add_argument("--results", help="file for 'passed failed skipped'")
    a = ap.parse_args()
    tests = [(full, fn) for full, fn in collect(a.k) if not a.quick or hasattr(fn, "quick")]
    tests.sort(key=lambda t: -getattr(t[1], "seconds", 30))
    if a.list:
        print("\n".join(t[0] for t in tests))
        return 0
    lacking = what_lacks()
    if lacking:
        print(f"skip image: {lacking}\n0 passed, 0 failed, {len(tests)} skipped")
        if a.results:
            pathlib.Path(a.results).write_text(f"0 0 {len(tests)}\n")
        return 1 if os.environ.get("CI") else 0
    base = tempfile.mkdtemp(prefix="nightstand-image-")
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(a.j) as pool:
        verdicts = list(pool.map(lambda t: run_one(*t, base, a.keep), tests))
    begun.forget()
    used = sum(sum(resource.getrusage(who)[:2])
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"it took {time.monotonic() - began:.0f} s, {used:.0f} s of processor")
    passed, failed, skipped = (verdicts.count(v) for v in ("ok  ", "FAIL", "skip"))
    if not failed and not a.keep:
        shutil.rmtree(base)
    if a.results:
        pathlib.Path(a.results).write_text(f"{passed} {failed} {skipped}\n")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
