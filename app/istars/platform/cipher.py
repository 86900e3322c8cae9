"""Ciphers of OpenSSL's libcrypto, which Python itself is linked against: AES in CFB mode, DES in CBC mode.

Through ctypes, because a package for this alone costs a card 11 MB of memory and a Rust compiler at build time.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_int, c_void_p
from functools import cache

AES, DES = "aes", "des"
BLOCK = {AES: 16, DES: 8}
SPARE = 32
"""Octets that a cipher may write behind its input."""
NAMES = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so")


@cache
def _library() -> ctypes.CDLL:
    """Libcrypto with the functions declared. Raises OSError where there is none."""
    for name in NAMES:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise OSError(f"none of {', '.join(NAMES)} can be loaded")
    library.EVP_CIPHER_CTX_new.restype = c_void_p
    library.EVP_get_cipherbyname.restype = c_void_p
    library.EVP_get_cipherbyname.argtypes = [c_char_p]
    library.EVP_CIPHER_CTX_free.argtypes = [c_void_p]
    library.EVP_CIPHER_CTX_set_padding.argtypes = [c_void_p, c_int]
    library.EVP_CipherInit_ex.argtypes = [c_void_p, c_void_p, c_void_p, c_char_p, c_char_p, c_int]
    library.EVP_CipherUpdate.argtypes = [c_void_p, c_char_p, c_void_p, c_char_p, c_int]
    return library


class Cipher:
    """One key of one kind. `key` has 16, 24 or 32 octets for AES, 8 for DES."""

    def __init__(self, kind: str, key: bytes) -> None:
        self._library = _library()
        if kind == DES:
            # Three times the same key makes triple DES a single one, which OpenSSL 3 no longer has at hand.
            name, key = b"DES-EDE3-CBC", key * 3
        else:
            name = b"AES-%d-CFB" % (8 * len(key))
        found = self._library.EVP_get_cipherbyname(name)
        if not found:
            raise OSError(f"libcrypto has no {name.decode()}")
        self._out, self._size = ctypes.create_string_buffer(2048), c_int()
        self._directions = [self._context(found, key, way) for way in (0, 1)]

    def _context(self, cipher: int, key: bytes, way: int) -> int:
        context = int(self._library.EVP_CIPHER_CTX_new())
        self._library.EVP_CipherInit_ex(context, cipher, None, key, None, way)
        self._library.EVP_CIPHER_CTX_set_padding(context, 0)
        return context

    def _run(self, way: int, vector: bytes, data: bytes) -> bytes:
        context = self._directions[way]
        if len(data) + SPARE > len(self._out):
            self._out = ctypes.create_string_buffer(len(data) + SPARE)
        size = self._size
        self._library.EVP_CipherInit_ex(context, None, None, None, vector, way)
        if not self._library.EVP_CipherUpdate(context, self._out, byref(size), data, len(data)):
            raise OSError("libcrypto refuses the data")
        return ctypes.string_at(self._out, size.value)

    def encrypt(self, vector: bytes, data: bytes) -> bytes:
        """`data` encrypted from the initial vector; for DES it has whole blocks."""
        return self._run(1, vector, data)

    def decrypt(self, vector: bytes, data: bytes) -> bytes:
        """The other way round."""
        return self._run(0, vector, data)

    def __del__(self) -> None:
        for context in getattr(self, "_directions", ()):
            self._library.EVP_CIPHER_CTX_free(context)
