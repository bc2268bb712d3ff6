"""Where the API listens, and whether what is sent there can be read on the way."""

import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import LOOPBACK


class ListenRefused(Exception):
    """The API would not be safe there, or can't listen there. The text says what would be right."""


@dataclass(frozen=True, kw_only=True)
class Listen:
    """An interface of this machine, with the certificate that is shown on it."""

    host: str = LOOPBACK
    certificate: Path | None = None
    key: Path | None = None
    insecure_http: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"

    @property
    def own_host(self) -> str:
        """The host in URLs by which this machine's own programs reach it."""
        try:
            everywhere = ipaddress.ip_address(self.host).is_unspecified  # all interfaces
        except ValueError:
            everywhere = False
        version_6 = ":" in self.host
        host = ("::1" if version_6 else LOOPBACK) if everywhere else self.host
        return f"[{host}]" if version_6 else host

    @property
    def beyond_loopback(self) -> bool:
        """Whether others than this machine's programs reach it; a name other than localhost may."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"

    def check(self, port: int) -> None:
        """Raises ListenRefused: without TLS beyond loopback, files that are no certificate and its
        key, an address or port that can't be had."""
        if (self.certificate is None) != (self.key is None):
            raise ListenRefused("--tls-cert and --tls-key belong together")
        if self.certificate is None and self.beyond_loopback and not self.insecure_http:
            raise ListenRefused(
                f"on {self.host} keys and pictures would be readable on the way: give --tls-cert "
                "and --tls-key, or say --insecure-http where the network is yours alone"
            )
        if self.certificate is not None:
            self.trust()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise ListenRefused(
                        f"port {port} is taken; choose another one with --port"
                    ) from error
                raise ListenRefused(
                    f"can't listen on {self.host}, port {port}: {error.strerror or error}; choose "
                    "another one with --host"
                ) from error

    def trust(self) -> ssl.SSLContext | None:
        """For a client on this machine, which trusts this very certificate whatever host it names;
        None without one. ListenRefused: the files are no certificate and its key."""
        if self.certificate is None or self.key is None:
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
            context = ssl.create_default_context(cafile=str(self.certificate))
        except (OSError, ssl.SSLError) as error:
            raise ListenRefused(
                f"{self.certificate} and {self.key} are no certificate and its key, as PEM: {error}"
            ) from error
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
        return context

    def arguments(self, port: int) -> tuple[str, ...]:
        """uvicorn's."""
        tls = ("--ssl-certfile", str(self.certificate), "--ssl-keyfile", str(self.key))
        return ("--host", self.host, "--port", str(port), *(tls if self.certificate else ()))
