"""Certificates made with openssl, and the NSS databases in which Chromium keeps its trust."""

import pathlib
import subprocess

EXTENSIONS = """
[req]
distinguished_name = none
[none]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""


def call(*command):
    """Runs a program; what it said on failure is in the exception."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout.strip()}")


class Identity:
    """A new P-256 key with its certificate, both PEM files in a directory."""

    def __init__(self, directory, name, subject, kind, issuer=None):
        self.name = name
        self.certificate = pathlib.Path(directory, f"{name}.pem")
        self.key = pathlib.Path(directory, f"{name}.key")
        extensions = pathlib.Path(directory, "extensions.cnf")
        extensions.write_text(EXTENSIONS)
        signed = ["-CA", issuer.certificate, "-CAkey", issuer.key] if issuer else []
        call("openssl", "req", "-x509", "-config", extensions, "-extensions", kind,
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", subject, "-keyout", self.key, "-out", self.certificate, *signed)


class TrustStore:
    """The NSS database of a browser whose home this is."""

    def __init__(self, home):
        directory = pathlib.Path(home, ".pki/nssdb")
        directory.mkdir(parents=True)
        self.database = f"sql:{directory}"
        call("certutil", "-N", "-d", self.database, "--empty-password")

    def trust(self, certificate, flags):
        """Flags as certutil has them: "C,," for an authority, "P,," for one certificate."""
        call("certutil", "-A", "-d", self.database, "-n", str(certificate), "-t", flags,
             "-i", certificate)

    def add(self, identity):
        """A client certificate with its key, by way of PKCS #12."""
        bundle = identity.key.with_suffix(".p12")
        call("openssl", "pkcs12", "-export", "-in", identity.certificate, "-inkey", identity.key,
             "-name", identity.name, "-passout", "pass:ferrule", "-out", bundle)
        call("pk12util", "-i", bundle, "-d", self.database, "-K", "", "-W", "ferrule")
