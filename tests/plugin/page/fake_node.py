# SPDX-License-Identifier: Apache-2.0
"""A node of four PFs with 128 VFs each, as files: a sysfs tree, records of attachments, a journal. For a process in mount
and network namespaces of its own, whose /sys, /run and /var/lib/cni it may cover."""
import binascii
import datetime
import json
import os
import pathlib
import subprocess

PFS = [("ens1f0", 0), ("ens1f1", 0), ("ens2f0", 1), ("ens2f1", 1)]
VFS = 128
NETNS = "/run/netns/pods"  # of all of them: records of netns that are gone would be reaped
HOSTILE = "<img src=x onerror=alert(1)>"  # what a page must show as text


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def pf_address(pf):
    return f"0000:{pf + 1:02x}:00.0"


def vf_address(pf, vf):
    return f"0000:{pf + 1:02x}:{2 + vf // 8:02x}.{vf % 8}"


def state_of(pf, vf):
    """What the VF is to be shown as; most are free."""
    if pf == 3 and vf >= 120:
        return "no_driver"
    if vf % 16 == 11:
        return "in_use_elsewhere"
    if pf == 0 and vf == 20:
        return "drifted"
    return "in_pod" if vf % 3 == 0 and vf < 40 + 16 * pf else "free"


class Sysfs:
    def __init__(self, root):
        self.root = pathlib.Path(root)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def link(self, path, target):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)

    def add(self, address, driver, netdev=None, numa=-1, device="0x1889"):
        base = f"bus/pci/devices/{address}"
        for name, text in {"vendor": "0x8086", "device": device, "class": "0x020000", "numa_node": str(numa)}.items():
            self.write(f"{base}/{name}", text)
        if driver:
            self.link(f"{base}/driver", f"../../../../bus/pci/drivers/{driver}")
        if netdev:
            self.write(f"{base}/net/{netdev}/address", "02:00:00:00:00:01")
            self.link(f"{base}/net/{netdev}/device", f"../../../{address}")
            self.link(f"class/net/{netdev}", f"../../bus/pci/devices/{address}/net/{netdev}")


def make_sysfs(root):
    sysfs = Sysfs(root)
    for pf, (name, numa) in enumerate(PFS):
        address = pf_address(pf)
        sysfs.add(address, "ice", name, numa, "0x1592")
        sysfs.write(f"bus/pci/devices/{address}/sriov_totalvfs", str(VFS))
        sysfs.write(f"bus/pci/devices/{address}/sriov_numvfs", str(VFS))
        for vf in range(VFS):
            each = vf_address(pf, vf)
            # On vfio-pci a VF is free although no netdev of it is to be seen.
            driver = {"no_driver": None, "in_use_elsewhere": "iavf"}.get(state_of(pf, vf), "vfio-pci")
            sysfs.add(each, driver, None, numa)
            sysfs.link(f"bus/pci/devices/{address}/virtfn{vf}", f"../{each}")
            sysfs.link(f"bus/pci/devices/{each}/physfn", f"../{address}")


def netns_id():
    status = os.stat(NETNS)
    return {"device": status.st_dev, "inode": status.st_ino}


def attach(device, pod, plugin="ovs", network="fast"):
    """A record and a claim, as ADD leaves them."""
    container = binascii.hexlify(f"{pod}@{device}".encode()).decode()[:32].ljust(32, "0")
    folder = pathlib.Path("/run/barewire/attachments") / network
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{container}@net1.{plugin}.json"
    text = {"format": 1, "network": network, "containerID": container, "ifname": "net1", "plugin": plugin,
            "netns": NETNS, "netnsId": netns_id(), "bootId": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "since": "2026-11-28T02:14:03Z", "pod": {"namespace": "default", "name": pod, "uid": "u"}, "config": "{}",
            "data": {}}
    draft = record.with_suffix(".draft")
    draft.write_text(json.dumps(text))
    os.chmod(draft, 0o600)
    devices = pathlib.Path("/run/barewire/devices")
    devices.mkdir(parents=True, exist_ok=True)
    (devices / device).symlink_to(record)
    draft.rename(record)


def journal_line(event):
    text = json.dumps(event, separators=(",", ":"))
    return f"bw1 {binascii.crc32(text.encode()):08x} {text}\n"


def write_journal(device):
    folder = pathlib.Path("/var/lib/cni/barewire/journal")
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.utcnow().replace(microsecond=0)
    lines = []
    for minutes, kind, more in ((30, "attach", {}), (20, "detach", {}), (5, "refusal", {"code": 103, "what": "the NIC cannot do it"})):
        event = {"time": (now - datetime.timedelta(minutes=minutes)).isoformat() + ".000000Z", "boot": "b", "up": 1,
                 "event": kind, "cause": "runtime", "plugin": "sriov", "command": "ADD", "network": "fast",
                 "namespace": "default", "pod": "web-0", "container": "c" * 32, "interface": "net1", "device": device}
        lines.append(journal_line(event | more))
    file = folder / "events"
    file.write_text("".join(lines))
    os.chmod(file, 0o640)
    os.chmod(folder, 0o750)


def make_switch(started):
    """The database alone: its ports are pending."""
    folder = pathlib.Path("/run/openvswitch")
    folder.mkdir()
    database = folder / "conf.db"
    run("ovsdb-tool", "create", str(database), "/usr/share/openvswitch/vswitch.ovsschema")
    started.append(subprocess.Popen(["ovsdb-server", str(database), f"--remote=punix:{folder}/db.sock", "--no-chdir",
                                     f"--unixctl={folder}/ctl"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    vsctl = ["ovs-vsctl", "--retry", "--no-wait", "--timeout=20", f"--db=unix:{folder}/db.sock"]
    run(*vsctl, "init")
    commands = ["add-br", "br-fast"]
    for port in range(6):
        commands += ["--", "add-port", "br-fast", f"vf{port}_rep", f"tag={100 + port}"]
    run(*vsctl, *commands)


def make(work, started):
    """All of it; what is to be ended by the caller goes to `started`."""
    sysfs = pathlib.Path(work) / "sysfs"
    make_sysfs(sysfs)
    run("mount", "--make-rprivate", "/")
    pathlib.Path("/var/lib/cni").mkdir(parents=True, exist_ok=True)
    for path in ("/run", "/var/lib/cni", "/etc/barewire", "/etc/pcidp"):
        if pathlib.Path(path).is_dir():
            run("mount", "-t", "tmpfs", "tmpfs", path)
    run("mount", "--bind", str(sysfs), "/sys")
    links = ["link set lo up"] + [line for name, _ in PFS for line in 
                                     (f"link add {name} type veth peer name {name}-far", f"link set {name}-far up", f"link set {name} up")]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(links), text=True, check=True)
    run("ip", "netns", "add", pathlib.Path(NETNS).name)
    for pf in range(len(PFS)):
        for vf in range(VFS):
            kind = state_of(pf, vf)
            if kind == "in_pod":
                attach(vf_address(pf, vf), HOSTILE if (pf, vf) == (1, 0) else f"web-{pf * VFS + vf}", network=f"net{pf}")
            elif kind == "drifted":
                attach(vf_address(pf, vf), "lost-0", plugin="sriov")
    attach("no-vf", "plain-0", plugin="bridge", network="cluster")
    write_journal(vf_address(0, 0))
    make_switch(started)
