"""The commands of a warm Python (`warm_python.py`): each hands over what it was started with and ends as its fork does.

The text of this file is that of each command, behind a first line that starts it without `site`: it must cost little.
"""

import os
import signal
import socket
import sys

FOLDER, NAME = os.path.split(sys.argv[0])
REAL = os.path.join(os.path.dirname(sys.executable), NAME)
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


def start_real() -> None:
    """Become the command that this one stands for."""
    os.execv(REAL, [REAL, *sys.argv[1:]])  # noqa: S606


def hand_over(server: socket.socket) -> None:
    """Send words, folder, environment, pid and all files that a command inherits."""
    listed = [int(name) for name in os.listdir("/proc/self/fd")]
    files = [fd for fd in listed if os.path.exists(f"/proc/self/fd/{fd}") and os.get_inheritable(fd)]
    words = sys.argv[1:] if NAME == "python" else [REAL, *sys.argv[1:]]
    request = (sys.argv[0], words, os.getcwd(), dict(os.environ), os.getpid(), files)
    socket.send_fds(server, [repr(request).encode()], files)


def main() -> None:
    if any(signal.getsignal(signum) == signal.SIG_IGN for signum in SIGNALS):
        start_real()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(os.path.join(FOLDER, "socket"))
        hand_over(server)
        for signum in SIGNALS:
            signal.signal(signum, lambda signum, _: server.send(bytes([signum])))
        answer = server.recv(16).decode()
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    if answer == "real":
        start_real()
    code = int(answer or 1)
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


main()
