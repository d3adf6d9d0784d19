"""What an owner wants to know beside tonight: how large the backups were, what
goes next, how the machine is."""

import json

from harness import check, equal, wait_until
from test_box import Box


def make_sys(t, celsius, weak):
    """A folder that stands in for /sys."""
    sys = t.path("sys")
    for path, text in (("class/thermal/thermal_zone0/type", "cpu-thermal"),
                       ("class/thermal/thermal_zone0/temp", celsius * 1000),
                       ("class/hwmon/hwmon0/name", "rpi_volt"),
                       ("class/hwmon/hwmon0/in0_lcrit_alarm", weak)):
        (sys / path).parent.mkdir(parents=True, exist_ok=True)
        (sys / path).write_text(f"{text}\n")
    return sys


def test_a_weak_supply_is_named(t):
    box = Box(t, t.sim(), box__sys=make_sys(t, 61, 0))
    st = box.status()
    equal(st["box"]["temperature_c"], 61, "temperature")
    equal(st["box"]["weak_power_times"], 0, "dips")
    check("61 °C" in box.get("/"), "the page does not tell the temperature")
    make_sys(t, 85, 1)
    st = box.wait_state("too_weak_power", 20)
    equal(st["box"]["weak_power_times"], 1, "dips")
    check("power supply" in st["headline"], st["headline"])
    # It holds again: said for an hour still, and counted.
    make_sys(t, 61, 0)
    wait_until("cool", lambda: (box.status() or {"box": {}})["box"].get(
        "temperature_c") == 61)
    equal(box.status()["state"], "too_weak_power", "state")
    check("too weak 1 time" in box.get("/"), "the page does not tell it")


def test_sizes_and_what_goes_next(t):
    sim = t.sim()
    phone = sim.phone()
    vault = t.path("disk")
    vault.mkdir()
    for night in range(4):
        phone.ctl("mutate", "add=3", f"seed={night}")
        t.backup(sim, phone, vault)
    phone.ctl("unplug")
    listed = json.loads(t.nightstand("list", "--vault", vault, "--json").stdout)
    sizes = [{"at": s["finished_at"], "bytes": s["bytes"],
              "new_bytes": s["new_bytes"]} for s in listed]
    box = Box(t, sim)
    p = box.status()["phones"][0]
    equal(len(p["sizes"]), 4, "sizes")
    equal(sorted(p["sizes"], key=str), sorted(sizes, key=str), "sizes")
    # Two are kept whatever comes; the oldest of the others goes first.
    equal(p["goes_next"]["at"], min(s["at"] for s in sizes), "goes next")
    check(p["goes_next"]["frees"] > 0, "it frees nothing")
    page = box.get("/")
    check('<figure class="chart">' in page, "no chart")
    check("goes first" in page, "the page does not tell what goes next")
