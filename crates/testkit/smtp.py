"""A mail server with STARTTLS that writes what it takes to a folder: smtp.py PORT FOLDER starttls CERT KEY, or
without: smtp.py PORT FOLDER plain."""

import pathlib
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

port, folder, mode, *chain = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
if chain:
    context.load_cert_chain(*chain)


class Mailbox:
    taken = 0

    async def handle_EHLO(self, server, session, envelope, hostname):
        session.host_name = hostname
        pathlib.Path(folder, "ehlo").write_text(hostname)
        return "250 HELP"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        if address.startswith("busy@"):
            return "451 try again later"
        if address.startswith("strict@"):
            return "504 5.5.2 need a fully-qualified host name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.taken += 1
        path = pathlib.Path(folder, f"{self.taken}.part")
        path.write_bytes(envelope.content)
        path.rename(path.with_suffix(".eml"))
        return "250 taken"


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"freshet" and data.password == b"s3cret", handled=False)


class Starting(Controller):
    def factory(self):
        if mode == "plain":
            return SMTP(self.handler)
        return SMTP(
            self.handler,
            tls_context=context,
            require_starttls=True,
            authenticator=login,
            auth_required=True,
            auth_require_tls=True,
        )


Starting(Mailbox(), hostname="127.0.0.1", port=int(port)).start()
while True:
    time.sleep(60)
