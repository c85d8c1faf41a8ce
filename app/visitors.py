"""Who asks: somebody at this machine, or anybody else. For what costs the owner something, such as a download."""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

# What reverse proxies add to a request. One that adds nothing speaks HTTP/1.0 or passes the site's own name on;
# one that does neither cannot be told from a user at this machine (docs/settings.md says what to set).
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def is_at_this_machine(request: Request, root_path: str) -> bool:
    """Whether a request was made on this machine, by its user: no proxy between, and no other site's page behind it.

    The address must be loopback, and so must the name in the URL: otherwise a proxy on this machine, or a site whose
    name points here (DNS rebinding), would count. A page of another site that makes its visitor's browser ask says so
    in `Origin` or `Sec-Fetch-Site` (Fetch Metadata).
    """
    headers = request.headers
    proxied = root_path or request.scope.get("http_version") == "1.0" or any(name in headers for name in FORWARDED)
    if proxied or request.client is None or not is_loopback(request.client.host):
        return False
    origin = headers.get("origin")
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        same = origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # such as "[", which is no address
        return False
    if not is_loopback(host):
        return False
    return same and headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
