"""The command `trust`: whose certificates an application of ours accepts."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from minifactory.app.home import pki_folder
from minifactory.cli.output import print_json, print_table
from minifactory.errors import Finding, InputError
from minifactory.opcua.certificates import find_certificate, reject, trust, trust_list


def show_trust(folder: Path, as_json: bool) -> None:
    """Print the trust list in `folder`."""
    entries = trust_list(folder)
    if as_json:
        print_json({"certificates": [asdict(entry) for entry in entries]})
        return
    table = Table("thumbprint", "application", "valid until", "trusted", box=None)
    for entry in entries:
        trusted = "yes" if entry.trusted else "NO"
        table.add_row(entry.thumbprint[:16], entry.application_uri, f"{entry.expires:%Y-%m-%d}", trusted)
    print_table(table)


def change_trust(
    application: str, thumbprint: str, certificate: Path | None, refuse: bool, as_json: bool
) -> None:
    """Trust or reject a certificate if one is named; then print the list."""
    if not re.fullmatch(r"orbit|skid-[\w-]+", application):
        raise InputError(Finding(application, "is no application", "orbit or skid-NAME"))
    if certificate is not None and not certificate.is_file():
        raise InputError(Finding(str(certificate), "there is no such file", "a certificate (DER or PEM)"))
    folder = pki_folder(application)
    der = None
    if certificate is not None:
        der = certificate.read_bytes()
    elif thumbprint:
        der = find_certificate(folder, thumbprint)
    if der is not None:
        (reject if refuse else trust)(folder, der)
    show_trust(folder, as_json)
