"""Hosts on a cable of their own: network namespaces with a bridge between
them, and Debian's dnsmasq and avahi at the other end. Nothing leaves the
machine."""

import itertools
import os
import re
import subprocess
import sys

import harness
from harness import Process, check, wait_until

counter = itertools.count()
NET = "10.77.0"


class Lan:
    """A bridge in a namespace of its own, which is a host, too: .1."""

    def __init__(self, t):
        t.needs_root()
        t.needs("ip", "dnsmasq", "avahi-daemon", "avahi-resolve")
        self.t = t
        self.ns = self.add_namespace()
        self.sh("ip", "link", "set", "lo", "up")
        self.sh("ip", "link", "add", "br0", "type", "bridge")
        self.sh("ip", "addr", "add", f"{NET}.1/24", "dev", "br0")
        self.sh("ip", "addr", "add", "fd77::1/64", "dev", "br0", "nodad")
        self.sh("ip", "link", "set", "br0", "up")

    def add_namespace(self):
        ns = f"nst{os.getpid()}-{next(counter)}"
        self.t.run("ip", "netns", "add", ns)
        self.t.cleanups.append(
            lambda: subprocess.run(["ip", "netns", "del", ns], check=False))
        return ns

    def sh(self, *args, ns=None, **kw):
        return self.t.run("ip", "netns", "exec", ns or self.ns, *args, **kw)

    def start(self, name, *args, ns=None, env=None):
        p = Process(self.t, name,
                    ["ip", "netns", "exec", ns or self.ns, *args], env=env)
        self.t.processes.append(p)
        return p

    def python(self, script, *args, ns=None):
        """A script of this folder, run by a neighbour."""
        path = os.path.join(os.path.dirname(__file__), script)
        return self.sh(sys.executable, path, *args, ns=ns).stdout

    def plug(self, dev="eth0"):
        """A new host on the bridge; its interface is `dev`. (ns, cable)"""
        ns = self.add_namespace()
        cable = f"v{next(counter)}"
        self.sh("ip", "link", "add", cable, "type", "veth", "peer", "name",
                dev, "netns", ns)
        self.sh("ip", "link", "set", cable, "master", "br0", "up")
        return ns, cable

    # -- peers ---------------------------------------------------------------
    def dnsmasq(self, first=50, last=90, *more, lease="2m", dns=0):
        leases = self.t.path("leases")
        return self.start(
            "dnsmasq", "dnsmasq", "--no-daemon", "--conf-file=/dev/null",
            "--no-resolv", "--no-hosts", f"--port={dns}", "--interface=br0",
            "--bind-interfaces", "--user=root", "--log-dhcp",
            f"--dhcp-range={NET}.{first},{NET}.{last},{lease}",
            f"--dhcp-leasefile={leases}", "--enable-ra",
            "--dhcp-range=fd77::,ra-only,64", *more)

    def avahi(self):
        """A daemon with a bus of its own; the environment of its clients."""
        bus = self.t.socket_path("bus")
        conf = self.t.path("bus.conf")
        conf.write_text(f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD
D-Bus Bus Configuration 1.0//EN"
"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={bus}</listen>
<auth>EXTERNAL</auth><policy context="default"><allow send_destination="*"/>
<allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy>
</busconfig>""")
        conf2 = self.t.path("avahi.conf")
        conf2.write_text("[server]\nhost-name=neighbour\n"
                         "allow-interfaces=br0\nuse-iff-running=no\n"
                         "[publish]\npublish-workstation=no\n")
        env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
        self.start("dbus", "dbus-daemon", "--nofork", f"--config-file={conf}")
        wait_until("the bus", bus.exists)
        # Its pid file has a fixed place: each gets a /run of its own.
        avahi = self.start(
            "avahi", "unshare", "-m", "sh", "-c",
            f"mount -t tmpfs none /run && exec avahi-daemon -f {conf2} "
            "--no-drop-root --no-chroot --no-rlimits --debug", env=env)
        wait_until("avahi", lambda: "startup complete" in avahi.err)
        return env

    def resolve(self, name, env, *args):
        r = self.sh("avahi-resolve", "-n", name, *args, env=env, ok=False,
                    seconds=30)
        found = re.search(r"\s(\S+)$", r.stdout.strip())
        return found.group(1) if found else None


class LanBox:
    """`nightstand run` as the only one on a host's interface."""

    def __init__(self, lan, sim=None, name="box", **keys):
        self.lan = lan
        self.t = lan.t
        self.ns, self.cable = lan.plug()
        self.name = name
        self.state = self.t.path(f"{name}.state")
        disk = self.t.path(f"{name}.disk")
        disk.mkdir()
        conf = self.t.path(f"{name}.conf")
        sections = {"box": {"vault": disk, "state": self.state},
                    "web": {"network": "packet", "interface": "eth0"},
                    # A phone that was there first is asked at once, also at night.
                    "policy": {"quiet_from": "00:00", "quiet_to": "00:00"}}
        for key, value in keys.items():
            section, _, key = key.rpartition("__")
            sections.setdefault(section or "web", {})[key] = value
        conf.write_text("".join(
            f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in kv.items())
            for s, kv in sections.items()))
        env = sim.env if sim else {
            "USBMUXD_SOCKET_ADDRESS": f"UNIX:{self.t.path('nobody')}"}
        self.command = [harness.NIGHTSTAND, "run", "--config", conf, "--log",
                        "debug"]
        self.p = lan.start(name, *self.command, ns=self.ns, env=env)

    def said(self, text):
        return text in self.p.err

    def wait_said(self, text, seconds=40):
        wait_until(f"{self.name} to say {text!r}", lambda: self.said(text),
                   seconds)

    def address(self, seconds=40):
        """The IPv4 address that it told last."""
        def told():
            all_ = re.findall(r"addresses: \S+ (\d+\.\d+\.\d+\.\d+)",
                              self.p.err)
            return all_[-1] if all_ else None
        return wait_until(f"an address of {self.name}", told, seconds)

    def curl(self, host, *args, path="/", ok=True):
        return self.lan.sh("curl", "-sS", "--max-time", 10, "-g", *args,
                           f"http://{host}{path}", ok=ok)

    def answers(self, host):
        r = self.curl(host, "-o", "/dev/null", "-w", "%{http_code}", ok=False)
        return r.stdout == "200"

    def must_answer(self, host):
        r = self.curl(host)
        check("<html" in r.stdout, f"{host}: {r.stdout[:200]}")
