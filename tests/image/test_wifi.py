"""Wi-Fi: the kernel's simulated radios, Debian's access point (ap.py)."""

import json
import time
import urllib.request

import ap
import vm

NAME, PASSWORD = "Ana's home", "correct horse 7"


def settings(name=NAME, password=PASSWORD):
    return f"[wifi]\nname = {name}\npassword = {password}\ncountry = DE\n"


def wait_wifi(m, *states):
    end = time.time() + 120 * vm.SLOW
    while True:
        wifi = m.status()["box"]["wifi"]
        if wifi and wifi["state"] in states:
            return wifi
        if time.time() > end:
            raise vm.Failed(f"Wi-Fi is {wifi}, not one of {states}\n{m.serial[-2500:]}")
        m.sleep(1)


def get_by_wifi(m, timeout=120):
    """The page, by the access point's side."""
    end = time.time() + timeout * vm.SLOW
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{m.ap_port}/api/status", timeout=8) as r:
                return json.load(r)
        except OSError as e:
            if time.time() > end:
                raise vm.Failed(f"no page by Wi-Fi: {e}\n{m.serial[-3000:]}") from e
            m.sleep(0.5)


def test_without_a_cable(rig):
    """The page by Wi-Fi alone, WPA2; the password stands in no log, no process's
    arguments are needed for it."""
    m = rig.vm(rig.card(settings()), point=ap.config(NAME, PASSWORD)).start()
    m.do("set_link", name="n", up=False)
    m.wait_line(r"Wi-Fi: connected")
    st = get_by_wifi(m)
    took = time.time() - m.began
    assert st["box"]["wifi"]["state"] == "connected", st["box"]["wifi"]
    assert st["box"]["wifi"]["name"] == "", "the glance tells the network's name"
    assert PASSWORD not in m.serial
    m.wait_line(r"supplicant Uid: 101 101 101 101")
    # CAP_NET_ADMIN and CAP_NET_RAW
    m.wait_line(r"supplicant CapPrm: 0000000000003000")
    m.wait_line(r"supplicant NoNewPrivs: 1")
    m.wait_line(r"kernel's addresses: 0")
    return f"page by Wi-Fi {took:.0f} s after the start"


def test_cable_and_back(rig):
    """The cable first; pulled, the page is there by Wi-Fi under the same name;
    plugged in again, by the cable."""
    m = rig.vm(rig.card(settings()), point=ap.config(NAME, PASSWORD, "SAE WPA-PSK")).start()
    wait_wifi(m, "connected")
    m.wait_line(r"the network is reached by the cable")
    host = m.wait_line(r"the box is (\S+\.local)").group(1)
    m.do("set_link", name="n", up=False)
    began = time.time()
    get_by_wifi(m)
    to_wifi = time.time() - began
    m.do("set_link", name="n", up=True)
    began = time.time()
    m.wait_page()
    to_cable = time.time() - began
    assert m.serial.count("is reached by the cable") == 2, m.serial[-1500:]
    assert f"the box is {host}-" not in m.serial
    return f"to Wi-Fi in {to_wifi:.1f} s, back in {to_cable:.1f} s"


def test_wpa3_alone(rig):
    m = rig.vm(rig.card(settings()), point=ap.config(NAME, PASSWORD, "SAE")).start()
    wait_wifi(m, "connected")


def test_open_network(rig):
    m = rig.vm(rig.card(settings(password="")), point=ap.config(NAME, "")).start()
    wait_wifi(m, "connected")


def test_wrong_password_is_told(rig):
    """By the cable, on the page, in words."""
    m = rig.vm(rig.card(settings(password="wrong horse 7")),
               point=ap.config(NAME, PASSWORD)).start()
    wait_wifi(m, "wrong_password")
    assert "the password is not the right one" in m.get("/").decode()
    m.sleep(20)
    wait_wifi(m, "wrong_password")


def test_no_such_network_is_told(rig):
    m = rig.vm(rig.card(settings(name="nowhere")), point=ap.config(NAME, PASSWORD)).start()
    wait_wifi(m, "not_found")
    assert "no network of that name is in reach" in m.get("/").decode()


def test_set_on_the_page(rig):
    """By an owner; the password is never told again, and outlives a restart."""
    card = rig.card()
    m = rig.vm(card, point=ap.config(NAME, PASSWORD)).start()
    m.wait_state("no_disk")
    assert m.status()["box"]["wifi"] is None
    owner = m.owner()
    for bad in ({"wifi.password": "short"}, {"wifi.country": "xx"}, {"wifi.name": "x" * 33}):
        code, said = owner.post("/api/settings", **{"csrf": owner.csrf, **bad})
        assert code == 400, (code, said)
    code, said = owner.post("/api/settings", **{
        "csrf": owner.csrf, "wifi.name": NAME, "wifi.password": PASSWORD, "wifi.country": "DE"})
    assert code == 200, (code, said)
    wait_wifi(m, "connected")
    owner = m.owner()
    for path in ("/api/settings", "/settings"):
        with owner.opener.open(owner.home + path, timeout=20) as r:
            text = r.read().decode()
        assert "wifi.name" in text and PASSWORD not in text, path
    m.do("set_link", name="n", up=False)
    get_by_wifi(m)
    m.cut()
    m = rig.vm(card, point=ap.config(NAME, PASSWORD)).start()
    m.do("set_link", name="n", up=False)
    get_by_wifi(m)
    assert PASSWORD not in m.serial


def test_no_chip_is_told(rig):
    """A machine without Wi-Fi: told, and the cable serves."""
    m = rig.vm(rig.card(settings())).start()
    wait_wifi(m, "no_device")


test_set_on_the_page.seconds = 90
