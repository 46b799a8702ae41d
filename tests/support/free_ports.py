"""Ports for servers that a test starts."""

import os
import socket


def ports_in_a_row(count):
    """The first of `count` free ports, outside the range that the kernel hands out."""
    for first in range(12000 + os.getpid() % 9000, 32000, count):
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
    raise RuntimeError("no free ports")
