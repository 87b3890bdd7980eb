"""What systemd is told where it has started us (Type=notify): that we are ready, that we live, and how it goes."""

import os
import socket
from contextlib import suppress


class Notify:
    """Tells the service manager by the socket that it names in NOTIFY_SOCKET; without one, nobody."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._said = ""

    def alive(self, status: str, *, ready: bool) -> None:
        """The main loop has turned once more. `ready`: all of the folder has been looked at."""
        words = status.replace("\n", " ")
        news = ["READY=1"] * ready + [f"STATUS={words}"] if (f"{ready}{words}") != self._said else []
        self._said = f"{ready}{words}"
        self._send(*news, "WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as teller:
            teller.settimeout(1.0)
            teller.sendto("\n".join(lines).encode("utf-8", "replace"), name)
