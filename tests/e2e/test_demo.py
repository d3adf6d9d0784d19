"""The demo by its own script, small: its exit status is the truth."""

import subprocess

from harness import BUILD, ROOT, check, equal
from test_box import free_port


def demo(t, *args, build=BUILD):
    return t.run("bash", ROOT / "tools/demo/demo.sh", "--port", free_port(),
                 "--dir", t.path("demo"), *args, ok=False,
                 env={"NIGHTSTAND_BUILD": str(build)},
                 stdin=subprocess.DEVNULL)


def test_one_night_ends_by_itself(t):
    r = demo(t, "--nights", 1, "--size", "40M")
    equal(r.returncode, 0, f"exit status; it said:\n{r.stdout}\n{r.stderr}")
    for words in ("Trust", "passcode", "equal"):
        check(words in r.stdout, f"no {words} in:\n{r.stdout}")


test_one_night_ends_by_itself.slow = 10


def test_a_demo_whose_phone_dies_says_so(t):
    """The same script with a phonesim that ends at once: no good end."""
    fake = t.path("build")
    fake.mkdir()
    (fake / "nightstand").symlink_to(BUILD / "nightstand")
    (fake / "phonesim").symlink_to("/bin/false")
    r = demo(t, "--nights", 1, "--size", "10M", build=fake)
    check(r.returncode > 0, f"exit status 0; it said:\n{r.stdout}")


def test_a_wrong_number_of_nights_is_refused(t):
    equal(demo(t, "--nights", "0").returncode, 64, "exit status")
