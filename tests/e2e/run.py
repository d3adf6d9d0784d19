#!/usr/bin/env python3
"""Runs the end-to-end tests: run.py [-j N] [-k TEXT] [--list] [--keep].

Each test has a folder of its own, so several run side by side. The last line
counts: "N passed, N failed, N skipped".
"""

import argparse
import concurrent.futures
import importlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # noqa: E402  (needs the path above)


def collect(text):
    here = pathlib.Path(__file__).parent
    for f in sorted(here.glob("test_*.py")):
        module = importlib.import_module(f.stem)
        for name, fn in vars(module).items():
            if name.startswith("test_") and callable(fn):
                full = f"{f.stem[5:]}.{name[5:]}"
                if any(part in full for part in text.split(",")):
                    yield full, f.stem, name, getattr(fn, "slow", 0)


def run_one(job):
    full, module, name, base, keep = job
    fn = getattr(importlib.import_module(module), name)
    start = time.monotonic()
    rig = harness.Rig(full, base)
    verdict, text = "ok", ""
    try:
        try:
            fn(rig)
        finally:
            rig.end()
    except harness.Skip as e:
        verdict, text = "skip", str(e)
        if harness.MUST_RUN and not text.startswith(harness.MAY_SKIP):
            verdict, text = "FAIL", f"skipped, but must run here: {text}"
    except harness.Failed as e:
        where = [f for f in traceback.extract_tb(e.__traceback__)
                 if "harness.py" not in f.filename]
        at = f" (line {where[-1].lineno})" if where else ""
        verdict, text = "FAIL", str(e) + at
    except Exception:  # a test's own mistake is a failure too
        verdict, text = "FAIL", traceback.format_exc()
    if verdict != "FAIL" and not keep:
        shutil.rmtree(rig.dir, ignore_errors=True)
    return full, verdict, text, time.monotonic() - start


def run_in_turn(jobs):
    return [run_one(job) for job in jobs]


def in_turn(tests):
    """Lists of tests; those of a list never run side by side. A module says
    IN_TURN = True when its tests need much of the machine each."""
    lists, turns = [], {}
    for test in tests:
        if not getattr(importlib.import_module(test[1]), "IN_TURN", False):
            lists.append([test])
        elif test[1] in turns:
            turns[test[1]].append(test)
        else:
            turns[test[1]] = [test]
            lists.append(turns[test[1]])
    return lists


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    # More than there are processors: most of a night is waiting.
    ap.add_argument("-j", type=int, default=2 * (os.cpu_count() or 1))
    ap.add_argument("-k", default="",
                    help="only tests whose names hold one of these: a,b")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--keep", action="store_true",
                    help="keep the folders of tests that passed")
    ap.add_argument("--results", help="file for 'passed failed skipped'")
    a = ap.parse_args()
    tests = list(collect(a.k))
    if a.list:
        print("\n".join(t[0] for t in tests))
        return 0
    base = tempfile.mkdtemp(prefix="nightstand-e2e-",
                            dir=os.environ.get("TMPDIR", "/tmp"))
    # Long ones first, so that the last core is not left alone with them.
    lists = sorted(in_turn(tests), key=lambda ts: -sum(t[3] for t in ts))
    jobs = [[(full, mod, name, base, a.keep) for full, mod, name, _ in ts]
            for ts in lists]
    count = {"ok": 0, "FAIL": 0, "skip": 0}
    with concurrent.futures.ProcessPoolExecutor(a.j) as pool:
        done = (one for ones in pool.map(run_in_turn, jobs) for one in ones)
        for full, verdict, text, seconds in done:
            count[verdict] += 1
            print(f"{verdict:4} {full} ({seconds:.1f} s)"
                  + (f": {text}" if text else ""), flush=True)
    if count["FAIL"]:
        print(f"what the failed tests left is in {base}")
    elif not a.keep:
        shutil.rmtree(base, ignore_errors=True)
    if a.results:
        pathlib.Path(a.results).write_text(
            f"{count['ok']} {count['FAIL']} {count['skip']}\n")
    print(f"{count['ok']} passed, {count['FAIL']} failed, "
          f"{count['skip']} skipped")
    return 1 if count["FAIL"] or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
