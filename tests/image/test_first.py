"""The first five minutes of a new owner, step by step as README.md tells them,
with an empty disk and an iPhone that knows no computer yet.

With NIGHTSTAND_PICTURES=DIR, each step's page is kept there, and all of them
side by side as first-night.png.
"""

import base64
import os
import pathlib
import shutil
import subprocess

import test_phone
import vm

WIDTH, HEIGHT = 360, 560
STEPS = (("no_disk", "1. The box alone"), ("ready", "2. A disk"),
         ("wants_trust", "3. The iPhone"), ("wants_passcode", "4. Its passcode"),
         ("safe", "5. Sleep well"))


def shoot(url, out, width, height):
    """A headless Chromium's picture; no name is looked for."""
    home = out.parent / "chromium"
    args = ["chromium", "--headless=new", "--disable-gpu", "--hide-scrollbars", "--lang=en",
            "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={home}", f"--window-size={width},{height}",
            # The page lives on by a request that never ends.
            "--timeout=4000", f"--screenshot={out}"]
    if os.geteuid() == 0:
        args.append("--no-sandbox")
    subprocess.run([*args, url], check=True, capture_output=True, timeout=120,
                   env=dict(os.environ, HOME=str(home)))
    shutil.rmtree(home, ignore_errors=True)


class Album:
    def __init__(self):
        folder = os.environ.get("NIGHTSTAND_PICTURES")
        self.folder = pathlib.Path(folder).resolve() if folder else None
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)

    def take(self, machine, name):
        if self.folder:
            shoot(f"http://127.0.0.1:{machine.port}/", self.folder / f"first-{name}.png",
                  WIDTH, HEIGHT)

    def close(self):
        """All of them, side by side."""
        if not self.folder:
            return
        shown = ""
        for name, title in STEPS:
            data = base64.b64encode((self.folder / f"first-{name}.png").read_bytes()).decode()
            shown += (f"<figure><img src='data:image/png;base64,{data}'>"
                      f"<figcaption>{title}</figcaption></figure>")
        sheet = self.folder / "first.html"
        sheet.write_text(
            "<style>body{margin:12px;display:flex;gap:12px;background:#fff;font:15px sans-serif}"
            "figure{margin:0;width:240px}img{width:100%;border:1px solid #ccc;border-radius:12px}"
            f"figcaption{{text-align:center;padding-top:6px}}</style>{shown}")
        shoot(sheet.as_uri(), self.folder / "first-night.png", len(STEPS) * 252 + 12,
              HEIGHT * 240 // WIDTH + 56)
        sheet.unlink()


def test_five_minutes(rig):
    """Card in, disk in, phone in; Trust; passcode; safe."""
    album = Album()
    m = rig.vm(rig.card(), cold=True).start()
    said = {}

    def step(state):
        said[state] = m.wait_state(state, 240)
        album.take(m, state)

    step("no_disk")
    assert "Plug in a USB disk" in said["no_disk"]["sentence"], said["no_disk"]
    m.plug_disk(rig.disk("empty", mib=512))
    step("ready")
    phone = test_phone.Phone(rig, files=60, bytes="8M", plugged="no", name="Ana's iPhone")
    phone.ask(f"@{phone.udid} passcode wait")
    phone.ask(f"@{phone.udid} plug")
    step("wants_trust")
    phone.ask(f"@{phone.udid} trust")
    step("wants_passcode")
    phone.ask(f"@{phone.udid} passcode now entered")
    step("safe")
    # The PIN is where README.md says that it is.
    owner = m.owner()
    assert owner.do("eject") == 200
    m.wait_state("disk_ejected")
    album.close()
    return ", ".join(s["headline"] for s in said.values())
