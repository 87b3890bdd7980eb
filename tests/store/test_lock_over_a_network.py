"""Where locks may not hold, a lease: renewed by its holder, taken away from one that has gone."""

import json
import socket
from pathlib import Path

import pytest

from fxwatch.mounts import network
from fxwatch.store import lock as lock_module
from fxwatch.store.lock import HeldError, held
from tests.project import eventually

MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:40 / /mnt/team\\040data rw shared:5 - nfs4 server:/data rw,vers=4.2
31 30 0:41 / /mnt/team\\040data/scratch rw - tmpfs tmpfs rw
32 22 0:42 / /home/me/far rw - fuse.sshfs me@far: rw
33 22 0:43 / /lustre rw - lustre mgs:/fs rw
34 22 0:44 / /over rw - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", None),
        ("/mnt/team data", "nfs4"),
        ("/mnt/team data/run/outputs", "nfs4"),
        ("/mnt/team database", None),
        ("/mnt/team data/scratch/x", None),
        ("/home/me/far/outputs", "fuse.sshfs"),
        ("/lustre/x", "lustre"),
        ("/over/x", None),
    ],
)
def test_the_file_system_of_a_folder_is_known(tmp_path: Path, folder: str, kind: str | None) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert network(Path(folder), tmp_path / "mountinfo") == kind


def test_without_a_table_of_mounts_a_folder_is_local(tmp_path: Path) -> None:
    assert network(tmp_path, tmp_path / "none") is None


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock_module, "network", lambda _: "nfs4")
    monkeypatch.setattr(lock_module, "RENEW", 0.05)
    return tmp_path / "lock"


def of_another_host(path: Path, **changes: object) -> None:
    holder = {"pid": 4711, "host": "far", "since": "2026-11-22T08:00:00+00:00", "boot": "x", "renewed": "1"}
    path.write_text(json.dumps({**holder, **changes}))


def test_a_lease_that_is_renewed_is_respected_and_its_holder_named(path: Path) -> None:
    with held(path) as lock:
        before = path.read_bytes()
        eventually(lambda: path.read_bytes() not in {b"", before}, 5)
        with pytest.raises(HeldError, match=rf"process \d+ on {socket.gethostname()}, since 20"), held(path):
            pass
        assert not lock.displaced()
    assert not path.exists()


def test_a_lease_that_nobody_renews_is_taken_by_our_own_watch(path: Path) -> None:
    of_another_host(path)
    with held(path) as lock:
        assert json.loads(path.read_bytes())["host"] == socket.gethostname()
        assert not lock.displaced()


@pytest.mark.parametrize("changes", [{"boot": "before this start"}, {"pid": 999_999_999}], ids=["reboot", "ended"])
def test_a_lease_of_a_process_of_this_machine_that_has_ended_is_taken_at_once(
    path: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "RENEW", 1000.0)
    of_another_host(path, **{"host": socket.gethostname(), "boot": lock_module._boot(), **changes})
    with held(path):
        pass


def test_whoever_is_quicker_keeps_the_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_another_host(path)
    real = Path.rename

    def late(self: Path, target: Path) -> Path:
        of_another_host(self, renewed="by somebody else meanwhile")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(HeldError, match="process 4711 on far"), held(path):
        pass
    assert json.loads(path.read_bytes())["renewed"] == "by somebody else meanwhile"


@pytest.mark.parametrize("content", ["", "[]", "\0\0\0", '{"pid": []}'])
def test_a_lease_of_any_content_is_taken_when_nobody_renews_it(path: Path, content: str) -> None:
    path.write_text(content)
    with held(path):
        pass
    assert [other.name for other in path.parent.iterdir()] == []
