"""A port for a server that is started in a moment."""

import random
import socket

# below those that Linux gives to whoever asks for any (ip_local_port_range): one of these could be gone by then
PORTS = range(16_000, 32_000)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    while True:
        port = random.choice(PORTS)  # by chance, as several processes choose at once
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # in use
            return port
