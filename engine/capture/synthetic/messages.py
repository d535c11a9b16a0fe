"""What ordinary programs say: TLS, HTTP, DNS, SMB, SMTP, IMAP and SSH messages as bytes.

Headers are well formed; what stands in encrypted or file content is random or filler.
"""

import ipaddress
import random
import struct

# Commands of SMB 2.
SMB_NEGOTIATE, SMB_SESSION, SMB_TREE = 0, 1, 3
SMB_CREATE, SMB_CLOSE, SMB_READ, SMB_WRITE = 5, 6, 8, 9
_TEXT = (
    b"the quick report of last week is in the folder; please look at the figures on page two and "
    b"tell me by noon whether the second column holds.\r\n"
)
_TLS_RECORD_BYTES = 16_384


def text(size: int) -> bytes:
    """Return that many bytes of prose."""
    return (_TEXT * (size // len(_TEXT) + 1))[:size]


# -- TLS ---------------------------------------------------------------------


def tls_client_hello(dice: random.Random, name: str | None) -> bytes:
    """Return a TLS 1.3 client hello of 517 bytes, or a bare one of some 200 without a name."""
    extensions = b""
    if name is not None:
        words = name.encode()
        entry = struct.pack(">BH", 0, len(words)) + words
        extensions += _extension(0, struct.pack(">H", len(entry)) + entry)
        extensions += _extension(16, b"\x00\x0c\x02h2\x08http/1.1")
    extensions += _extension(10, bytes.fromhex("0006001d00170018"))
    extensions += _extension(13, bytes.fromhex("00080403080404010503"))
    extensions += _extension(43, bytes.fromhex("0403040303"))
    extensions += _extension(51, bytes.fromhex("0024001d0020") + dice.randbytes(32))
    ciphers = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
    fixed = b"\x03\x03" + dice.randbytes(32) + b"\x20" + dice.randbytes(32)
    fixed += struct.pack(">H", len(ciphers)) + ciphers + b"\x01\x00"
    if name is not None:  # Browsers pad to 512 bytes (RFC 7685).
        padding = 512 - 4 - len(fixed) - 2 - len(extensions) - 4
        extensions += _extension(21, bytes(max(0, padding)))
    body = fixed + struct.pack(">H", len(extensions)) + extensions
    return _record(22, b"\x01" + len(body).to_bytes(3, "big") + body, b"\x03\x01")


def tls_server_hello(dice: random.Random, certificate_bytes: int) -> bytes:
    """Return a TLS 1.3 server flight: hello, change of cipher, encrypted certificate."""
    extensions = _extension(43, b"\x03\x04")
    extensions += _extension(51, bytes.fromhex("001d0020") + dice.randbytes(32))
    body = b"\x03\x03" + dice.randbytes(32) + b"\x20" + dice.randbytes(32) + b"\x13\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    hello = _record(22, b"\x02" + len(body).to_bytes(3, "big") + body)
    return hello + tls_finished(dice, certificate_bytes)


def tls_finished(dice: random.Random, size: int = 53) -> bytes:
    """Return a change of cipher and an encrypted handshake record of that size."""
    return _record(20, b"\x01") + tls_data(dice, size)


def tls_data(dice: random.Random, size: int) -> bytes:
    """Return encrypted records that hold that many bytes together."""
    sizes = [_TLS_RECORD_BYTES] * (size // _TLS_RECORD_BYTES) + [size % _TLS_RECORD_BYTES]
    return b"".join(_record(23, dice.randbytes(part)) for part in sizes if part)


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body)) + body


def _record(kind: int, body: bytes, version: bytes = b"\x03\x03") -> bytes:
    return bytes((kind,)) + version + struct.pack(">H", len(body)) + body


# -- HTTP --------------------------------------------------------------------


def http_request(name: str, path: str, cookie_bytes: int) -> bytes:
    """Return a GET request of a browser."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
        "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en\r\n"
        f"Cookie: session={'a5' * (cookie_bytes // 2)}\r\nConnection: keep-alive\r\n\r\n"
    ).encode()


def http_response(size: int) -> bytes:
    """Return an answer with a page of that many bytes."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + text(size)


# -- DNS ---------------------------------------------------------------------


def dns_query(number: int, name: str, kind: int) -> bytes:
    """Return a query of type `kind` (1: A, 28: AAAA, 15: MX) with an EDNS record."""
    head = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 1)
    return head + _question(name, kind) + bytes.fromhex("0000291000000000000000")


def dns_answer(number: int, name: str, kind: int, addresses: tuple[str, ...] | None) -> bytes:
    """Return the answer to a query; None: there is no such name."""
    records = b""
    for address in addresses or ():
        packed = ipaddress.ip_address(address).packed
        records += struct.pack(">HHHIH", 0xC00C, kind, 1, 300, len(packed)) + packed
    flags = 0x8183 if addresses is None else 0x8180
    head = struct.pack(">HHHHHH", number, flags, 1, len(addresses or ()), 0, 0)
    return head + _question(name, kind) + records


def _question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    return labels + struct.pack(">BHH", 0, kind, 1)


# -- SMB 2 -------------------------------------------------------------------


def smb(command: int, body_bytes: int, answer: bool, content: bytes = b"") -> bytes:
    """Return an SMB 2 message: header, a body of zeros of that size, then content."""
    head = b"\xfeSMB" + struct.pack("<HHIHH", 64, 1, 0, command, 1)
    head += struct.pack("<IIQQQ", 1 if answer else 0, 0, 0, 0, 0) + bytes(16)
    message = head + bytes(body_bytes) + content
    return struct.pack(">I", len(message)) + message


# -- SSH ---------------------------------------------------------------------

# Name lists of a key exchange (RFC 4253, 7.1) as OpenSSH 9 and libssh2 1.10 offer them: key
# exchange, host key, ciphers, MACs, compression; the last three are said twice, once a direction.
SSH_SERVER_LISTS = (
    "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,"
    "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"
    "diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
    "rsa-sha2-512,rsa-sha2-256,ecdsa-sha2-nistp256,ssh-ed25519",
    "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,"
    "aes256-gcm@openssh.com",
    "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,"
    "hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,"
    "umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    "none,zlib@openssh.com",
)
SSH_CLIENT_LISTS = (
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
    "ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"
    "diffie-hellman-group18-sha512,diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,"
    "diffie-hellman-group1-sha1,diffie-hellman-group-exchange-sha1",
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,"
    "rsa-sha2-256,ssh-rsa,ssh-dss",
    "aes256-ctr,aes192-ctr,aes128-ctr,aes256-cbc,rijndael-cbc@lysator.liu.se,aes192-cbc,"
    "aes128-cbc,blowfish-cbc,arcfour128,arcfour,cast128-cbc,3des-cbc",
    "hmac-sha2-256,hmac-sha2-512,hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-ripemd160,"
    "hmac-ripemd160@openssh.com",
    "none",
)
_SSH_KEY_EXCHANGE = 20


def ssh_key_exchange(dice: random.Random, lists: tuple[str, ...]) -> bytes:
    """Return the packet that begins a key exchange: a random cookie, then names of algorithms."""
    exchange, host_key, *twice = lists
    names = [exchange, host_key, *(name for name in twice for _ in range(2)), "", ""]
    body = bytes((_SSH_KEY_EXCHANGE,)) + dice.randbytes(16)
    body += b"".join(struct.pack(">I", len(name)) + name.encode() for name in names) + bytes(5)
    padding = 4 + -(len(body) + 5 + 4) % 8  # At least 4, to a multiple of 8.
    return struct.pack(">IB", 1 + len(body) + padding, padding) + body + bytes(padding)
