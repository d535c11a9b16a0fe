"""The responder ports that host features name: SMB, log-in, administration, web."""

from numba import njit

from engine.memory.options import HOT

SMB = (139, 445)
LOG_IN = (21, 22, 23, 389, 1433, 3306, 3389, 5432, 5900)
ADMIN = (22, 135, 139, 445, 3389, 5985, 5986)
USUAL_WEB = (80, 8000, 8008, 8080, 8888)


@njit(**HOT)
def _is_one_of(port, ports):
    found = False
    for known in ports:
        found |= port == known
    return found


@njit(**HOT)
def is_smb(port):
    """Return whether SMB servers listen there."""
    return _is_one_of(port, SMB)


@njit(**HOT)
def is_log_in(port):
    """Return whether users log in there."""
    return _is_one_of(port, LOG_IN)


@njit(**HOT)
def is_admin(port):
    """Return whether administrators connect there."""
    return _is_one_of(port, ADMIN)


@njit(**HOT)
def is_usual_web(port):
    """Return whether HTTP is expected there."""
    return _is_one_of(port, USUAL_WEB)
