"""Certificates for one test: an authority, a server at 127.0.0.1, a client. Made by openssl."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Certificates:
    ca: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]


def make(work):
    program = shutil.which("openssl") or sys.exit("no openssl: install it")

    def openssl(*arguments):
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"

    def issue(name, *arguments):
        certificate, key = work / f"{name}.pem", work / f"{name}-key.pem"
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"),
            *("-subj", f"/CN={name}", "-out", str(certificate), "-keyout", str(key), *arguments),
        )
        return certificate, key

    ca, ca_key = issue("authority", "-addext", "keyUsage=critical,keyCertSign")
    signed = ("-CA", str(ca), "-CAkey", str(ca_key), "-addext", "basicConstraints=critical,CA:FALSE")
    return Certificates(
        ca,
        issue("server", *signed, "-addext", "subjectAltName=IP:127.0.0.1"),
        issue("client", *signed, "-addext", "subjectAltName=URI:spiffe://wire/client"),
    )
