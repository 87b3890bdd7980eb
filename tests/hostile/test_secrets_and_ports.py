"""A key that is in the environment stays there, and nothing listens."""

import os
import signal
from pathlib import Path

import psutil
import torch

from fxwatch import exit_codes
from tests.project import CONFIG, Project, eventually

CANARY = "c4n4ry0000000000000000000000000000000042"
SECRETS = dict.fromkeys(
    ("WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_TOKEN", "DB_PASSWORD", "OPENAI_API_KEY", "HF_TOKEN"), CANARY
)
CRASHING = """
import os

from tests.policies import GuideLike


class Crashing(GuideLike):
    def load_state_dict(self, state, *others, **more):
        if float(state["hf.bias"][0]) == 9:
            in_a_local = "".join(["c4n4ry", "0" * 32, "42"])
            raise RuntimeError(f"{dict(os.environ)} {len(in_a_local)}")
        return super().load_state_dict(state, *others, **more)


build = Crashing
"""


def test_a_key_reaches_no_file_no_log_and_no_output(tmp_path: Path) -> None:
    extra = '[wandb]\nenabled = true\nmode = "offline"\n'
    project = Project(tmp_path / "project", CONFIG + extra)
    (project.folder / "my_model.py").write_text(CRASHING)
    project.states()
    good = torch.load(project.checkpoint("model_1.pt"))["model_state_dict"]
    good["hf.bias"][0] = 9
    torch.save({"model_state_dict": good}, project.outputs / "crashes_2.pt")
    places = {name: str(tmp_path / name) for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "HOME")}
    places["TMPDIR"] = str(tmp_path / ("deep" * 25))  # too deep for a socket
    for name in ("HOME", "TMPDIR"):
        Path(places[name]).mkdir()
    commands = [("daemon", "--once"), ("report", "--html"), ("report",), ("export",), ("status", "--json"), ("sync",)]
    commands += [("doctor", "outputs"), ("config", "show"), ("config", "unit")]
    commands += [("analyze", "outputs/crashes_2.pt", "--states", "outputs/states.npz"), ("tui", "--once")]
    for words in commands:
        done = project.run(*words, **SECRETS, **places)
        assert CANARY not in done.stdout + done.stderr, words
        fails = words[0] in {"analyze", "doctor"}  # of what crashes
        assert done.returncode == (exit_codes.FAILURE if fails else exit_codes.OK), (words, done.stderr)
        assert "Traceback" not in done.stderr
    assert project.ledger()["crashes_2.pt"].state == "failed"
    assert list((project.store.root / "wandb").glob("offline-run-*/run-*.wandb"))
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_workers_inherit_no_key_and_nothing_listens(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "my_model.py").write_text(
        "import time\n\nfrom tests.policies import GuideLike\n\n\ndef build():\n    time.sleep(3)\n"
        "    return GuideLike()\n"
    )
    project.states()
    project.checkpoint()
    os.environ.update(SECRETS)
    try:
        daemon = project.start("daemon")
    finally:
        for name in SECRETS:
            del os.environ[name]
    try:
        own = psutil.Process(daemon.pid)
        eventually(lambda: "running" in {line.state for line in project.ledger().values()})
        eventually(lambda: 19 in {one.nice() for one in own.children(recursive=True)})  # which a worker is
        everybody = [own, *own.children(recursive=True)]
        knowing = [one.pid for one in everybody if CANARY.encode() in Path(f"/proc/{one.pid}/environ").read_bytes()]
        assert own.pid in knowing, "the key was there to be inherited"
        servers = [one for one in everybody if "forkserver" in " ".join(one.cmdline())]
        assert len(servers) >= 2
        assert not {one.pid for one in servers} & set(knowing)
        listening = [
            found for one in everybody for found in one.net_connections("inet") if found.status == psutil.CONN_LISTEN
        ]
        assert listening == []
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=30)


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    project = Project(tmp_path / "project")
    project.checkpoint()
    project.store.create()
    project.store.lock.symlink_to(victim)
    done = project.run("daemon", "--once")
    assert done.returncode == exit_codes.FAILURE
    assert "lock cannot be used" in done.stderr
    assert victim.read_text() == "mine"
