"""`fxwatch config unit`: the daemon as a service of systemd, with what it may touch."""

import getpass
import sys
from pathlib import Path

from fxwatch.commands.configured import configured
from fxwatch.terminal import say

UNIT = """\
[Unit]
Description=fxwatch on {watched}
Documentation=man:systemd.service(5)
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
User={user}
ExecStart={command}
WorkingDirectory={here}
WatchdogSec=120
Restart=on-failure
RestartSec=5
# SIGTERM is for the daemon alone, which ends its workers in order
KillMode=mixed
TimeoutStartSec=600
TimeoutStopSec=30

# behind training
Nice=19
IOSchedulingClass=idle
CPUWeight=20
OOMPolicy=continue
TasksMax=512

# what it may touch
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={store}
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
RemoveIPC=yes
UMask=0022
RestrictAddressFamilies={families}
SystemCallArchitectures=native
# the three by which workers are kept from writing
SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit(folder: Path | None, config_file: Path | None) -> int:
    """Print the unit for a folder. Returns the exit code."""
    found = configured(config_file, folder)
    watched, store = found.watched.absolute(), found.store
    command = [sys.executable, "-m", "fxwatch", "daemon", str(watched), *found.option]
    text = UNIT.format(
        watched=_escaped(str(watched)),
        user=getpass.getuser(),
        command=" ".join(_quoted(part) for part in command),
        here=_escaped(str(Path.cwd())),
        store=_quoted(str(store.root.absolute())),
        families="AF_UNIX AF_INET AF_INET6" if found.config.wandb.sending() == "online" else "AF_UNIX",
    )
    sys.stdout.write(text)
    if not store.exists():
        say(f"fxwatch: {store.root} has to be there before: type `fxwatch daemon {watched} --once`")
    say("fxwatch: put it into /etc/systemd/system/fxwatch.service, and type `systemctl enable --now fxwatch`")
    return 0


def _escaped(text: str) -> str:
    """A path in which systemd puts nothing in for what looks like its own specifiers."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    return '"' + _escaped(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
