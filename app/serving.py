"""What `serve` does: see that the address and the certificate can be had, then serve until stopped."""

import argparse
import logging
import logging.config
import socket
import ssl
from pathlib import Path

import uvicorn

from app import logs
from app.connections import connections
from app.errors import ConvscopeError, InvalidValue
from app.main import create_app
from app.settings import Settings
from app.verbs import flag, settings_of

SHUTDOWN_SECONDS = 20  # for answers under way


def serve(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = settings_of(options)
    check_certificate(settings)
    check_address(settings.host, settings.port)
    configuration = logs.configuration(settings.log_format, settings.log_level)
    logging.config.dictConfig(configuration)  # uvicorn does so too, when the networks have been read
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=connections(settings.body_seconds, settings.send_seconds),
        ws="none",
        log_level=settings.log_level,
        log_config=configuration,
        access_log=False,  # app.logs has its own
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
    )
    return 0


def check_certificate(settings: Settings) -> None:
    """Raise InvalidValue where the certificate and its key are not there, or do not fit."""
    certificate, key = settings.ssl_certfile, settings.ssl_keyfile
    for name, path in (("ssl_certfile", certificate), ("ssl_keyfile", key)):
        if path is not None and not path.is_file():
            raise InvalidValue(f"{flag(name)}: there is no file {path}.", str(path))
    if certificate is None:
        if key is not None:
            raise InvalidValue(
                f"--ssl-keyfile is {key}, without a certificate. Name that too: --ssl-certfile.", str(key)
            )
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _leave_to_the_server)
    except LookupError:
        return  # asked for once, when the server reads it
    except (ssl.SSLError, OSError) as error:
        raise InvalidValue(
            f"{_named(certificate, key)} cannot be used: {error.strerror or error}. Both are PEM, and the key is the "
            "certificate's own.",
            str(certificate),
        ) from error


def _leave_to_the_server() -> str:
    """Called where the key asks for a password."""
    raise LookupError


def _named(certificate: Path, key: Path | None) -> str:
    named = f"--ssl-certfile {certificate}"
    return named if key is None else f"{named} with --ssl-keyfile {key}"


def check_address(host: str, port: int) -> None:
    """Raise ConvscopeError where nobody can listen at that address, before the networks are read."""
    try:
        # an empty host stands for every address, as it does for the server
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
    except OSError as error:
        raise ConvscopeError(
            f"Nothing can listen on {host}, port {port}: {error.strerror}. Choose another with --port or --host, or "
            "stop what listens there.",
            port,
        ) from error
