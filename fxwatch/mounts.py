"""Which file system a folder is on, and whether other machines write to it, too."""

import os
import re
from pathlib import Path

_OVER_A_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|gpfs|beegfs\w*|glusterfs|orangefs|pvfs2|panfs|wekafs|virtiofs|fuse\b.*"
)


def network(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kind of the file system that a folder is on, where it may be reached from other machines; None where not.

    On such one events tell nothing of what others write, and locks may not hold.
    """
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    found = [_mount(line) for line in table.splitlines()]
    path = os.path.realpath(folder)
    over = [(point, kind) for point, kind in found if path == point or path.startswith(f"{point.rstrip('/')}/")]
    _, kind = max(reversed(over), key=lambda one: len(one[0]), default=("", ""))
    return kind if _OVER_A_NETWORK.fullmatch(kind) else None


def _mount(line: str) -> tuple[str, str]:
    """Mount point and type of a line of mountinfo (see proc_pid_mountinfo(5))."""
    first, _, rest = line.partition(" - ")
    point = first.split(" ")[4] if first.count(" ") > 4 else ""
    return re.sub(r"\\([0-3][0-7]{2})", lambda octal: chr(int(octal[1], 8)), point), rest.split(" ")[0]
