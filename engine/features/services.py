"""The 12 service classes: which protocol and responder port belongs to which.

Part of the catalogue: kernels take the table as an array, the twin as it stands here.
"""

import numpy as np

SERVICES = (
    "web",
    "tls",
    "dns",
    "smb",
    "remote_shell",
    "remote_desktop",
    "mail",
    "database",
    "file",
    "directory",
    "icmp",
    "other",
)
OTHER = SERVICES.index("other")
ICMP = SERVICES.index("icmp")
TCP_PROTOCOL, UDP_PROTOCOL = 6, 17

# IANA service names and port numbers, and what these services are known to use besides.
PORTS = {
    "web": (80, 3128, 8000, 8008, 8080, 8081, 8888),
    "tls": (443, 853, 8443, 9443),
    "dns": (53, 5353, 5355),
    "smb": (137, 138, 139, 445),
    "remote_shell": (22, 23, 512, 513, 514, 992, 2222, 2323, 5985, 5986),
    "remote_desktop": (3389, 5800, 5900, 5901, 5902, 5903, 5938),
    "mail": (25, 110, 143, 465, 587, 993, 995, 2525),
    "database": (1433, 1434, 1521, 3306, 5432, 6379, 9200, 11211, 27017),
    "file": (20, 21, 69, 111, 873, 989, 990, 2049),
    "directory": (88, 135, 389, 464, 636, 3268, 3269),
}


def service_of(protocol: int, responder_port: int) -> str:
    """Return the service class of a flow; TCP and UDP share ports, ICMP and ICMPv6 a class."""
    if protocol in (1, 58):
        return "icmp"
    if protocol in (TCP_PROTOCOL, UDP_PROTOCOL):
        for service, ports in PORTS.items():
            if responder_port in ports:
                return service
    return "other"


def service_table() -> np.ndarray:
    """Return the class number of each of 65,536 responder ports of TCP and UDP, as uint8."""
    table = np.full(65_536, OTHER, np.uint8)
    for service, ports in PORTS.items():
        table[list(ports)] = SERVICES.index(service)
    return table
