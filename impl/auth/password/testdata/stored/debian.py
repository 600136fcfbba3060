#!/usr/bin/python3
"""Makes debian.json: hashes by the libraries of other systems, as Debian packages them.

    apt-get install python3-passlib python3-django python3-werkzeug python3-argon2 python3-bcrypt
    /usr/bin/python3 debian.py > debian.json

The salts are random, so that each run makes other hashes of the same passwords.

Debian's Django and Werkzeug are older than their scrypt. For these two, and for Keycloak, which is
Java, hashlib makes the hash by the same call, and "library" names it.
"""

import base64
import hashlib
import json
import os
import sys

import argon2
import bcrypt
import django
import passlib
import werkzeug
from django.conf import settings
from django.contrib.auth import hashers
from passlib import hash as ph
from passlib.context import CryptContext
from werkzeug.security import generate_password_hash

settings.configure(PASSWORD_HASHERS=[
    "django.contrib.auth.hashers." + name for name in (
        "PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher",
        "BCryptSHA256PasswordHasher", "BCryptPasswordHasher",
    )
])

PLAIN = "correct horse battery staple"
COMPOSED = "caf\u00e9 noir, s'il vous pla\u00eet"
DECOMPOSED = "cafe\u0301 noir, s'il vous plai\u0302t"
LONG = "a long sentence that has more than seventy-two bytes, which bcrypt alone would cut off"
UP_TO_72 = LONG[:72]

vectors = []


def add(library, version, fmt, password, stored):
    vectors.append({
        "library": f"{library} {version}", "format": fmt, "password": password, "stored": stored,
    })


def from_passlib():
    for fmt, handler in (
        ("pbkdf2-sha1", ph.pbkdf2_sha1.using(rounds=1500)),
        ("pbkdf2-sha256", ph.pbkdf2_sha256),
        ("pbkdf2-sha512", ph.pbkdf2_sha512.using(rounds=1200, salt_size=32)),
        ("scrypt", ph.scrypt.using(rounds=10, block_size=8, parallelism=3)),
        ("bcrypt-sha256 of passlib", ph.bcrypt_sha256.using(rounds=4)),
        ("bcrypt-sha256 of passlib", ph.bcrypt_sha256.using(rounds=4, version=1)),
        ("argon2id", ph.argon2.using(type="ID", rounds=2, memory_cost=512, parallelism=2)),
        ("argon2i", ph.argon2.using(type="I", rounds=3, memory_cost=512, parallelism=2)),
    ):
        for password in (PLAIN, COMPOSED, DECOMPOSED, LONG):
            add("passlib", passlib.__version__, fmt, password, handler.hash(password))
    for ident in ("2a", "2b", "2y"):
        handler = ph.bcrypt.using(rounds=4, ident=ident)
        for password in (PLAIN, DECOMPOSED, UP_TO_72):
            add("passlib", passlib.__version__, "bcrypt", password, handler.hash(password))


def from_tutorial():
    """A salt of bcrypt's kept in a column, and behind the password: 72 bytes hold part of the salt."""
    context = CryptContext(schemes=["bcrypt"], deprecated="auto", bcrypt__rounds=4)
    for password in (PLAIN, COMPOSED, UP_TO_72[:43], UP_TO_72[:60], UP_TO_72):
        salt = bcrypt.gensalt().decode()
        column = base64.b64encode(salt.encode()).decode().rstrip("=")
        stored = "$bcrypt-salted$" + column + "$" + context.hash(password + salt)
        add("passlib", passlib.__version__, "bcrypt with a salt column", password, stored)


def from_argon2():
    for fmt, kind in (("argon2id", argon2.Type.ID), ("argon2i", argon2.Type.I)):
        hasher = argon2.PasswordHasher(time_cost=2, memory_cost=1024, parallelism=4, type=kind)
        add("argon2-cffi", argon2.__version__, fmt, PLAIN, hasher.hash(PLAIN))
    add("argon2-cffi", argon2.__version__, "argon2id", DECOMPOSED, argon2.PasswordHasher().hash(DECOMPOSED))


def from_django():
    version = django.get_version()
    for password in (PLAIN, COMPOSED, DECOMPOSED, LONG):
        for name in ("pbkdf2_sha256", "pbkdf2_sha1"):
            hasher = hashers.get_hasher(name)
            stored = hasher.encode(password, hasher.salt(), iterations=2000)
            add("Django", version, name + " of Django", password, stored)
        argon = hashers.get_hasher("argon2")
        argon.memory_cost, argon.parallelism = 1024, 4
        add("Django", version, "argon2 of Django", password, argon.encode(password, argon.salt()))
        bc = hashers.get_hasher("bcrypt_sha256")
        bc.rounds = 4
        add("Django", version, "bcrypt_sha256 of Django", password, bc.encode(password, bc.salt()))
    bc = hashers.get_hasher("bcrypt")
    bc.rounds = 4
    add("Django", version, "bcrypt of Django", UP_TO_72, bc.encode(UP_TO_72, bc.salt()))
    add("Django", version, "pbkdf2_sha256 of Django", PLAIN, hashers.make_password(PLAIN, hasher="pbkdf2_sha256"))
    for password in (COMPOSED,):
        salt = hashers.get_hasher("pbkdf2_sha256").salt()
        key = hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**14, r=8, p=5, maxmem=2**26, dklen=64)
        stored = f"scrypt$16384${salt}$8$5${base64.b64encode(key).decode()}"
        add("hashlib, as Django 5.1,", sys.version.split()[0], "scrypt of Django", password, stored)


def from_werkzeug():
    version = werkzeug.__version__
    for password in (PLAIN, COMPOSED, DECOMPOSED, LONG):
        for method in ("pbkdf2:sha256:2000", "pbkdf2:sha512:2000", "pbkdf2:sha1:2000"):
            add("Werkzeug", version, "pbkdf2 of Werkzeug", password, generate_password_hash(password, method))
    for password in (PLAIN, DECOMPOSED):
        salt = werkzeug.security.gen_salt(16)
        key = hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**15, r=8, p=1, maxmem=132 * 2**15 * 8).hex()
        add("hashlib, as Werkzeug 3,", sys.version.split()[0], "scrypt of Werkzeug", password,
            f"scrypt:32768:8:1${salt}${key}")
    add("Werkzeug", version, "pbkdf2 of Werkzeug", PLAIN, generate_password_hash(PLAIN))


def as_keycloak():
    """PHC of a credential's JSON. Keycloak derives 64 bytes with both digests."""
    def raw(data):
        return base64.b64encode(data).decode().rstrip("=")
    for digest, rounds in (("sha256", 27500), ("sha512", 2100)):
        for password in (PLAIN, DECOMPOSED):
            salt = os.urandom(16)
            key = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds, 64)
            stored = f"$pbkdf2-{digest}$i={rounds},l=64${raw(salt)}${raw(key)}"
            add("hashlib, as Keycloak,", sys.version.split()[0], "pbkdf2-" + digest, password, stored)


from_passlib()
from_tutorial()
from_argon2()
from_django()
from_werkzeug()
as_keycloak()
json.dump(vectors, sys.stdout, indent=1)
print()
