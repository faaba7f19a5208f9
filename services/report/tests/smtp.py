"""A mail server that writes what it takes to a folder, and refuses busy@ for now: smtp.py PORT FOLDER."""

import pathlib
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

port, folder = sys.argv[1:]


class Mailbox:
    taken = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("busy@"):
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.taken += 1
        path = pathlib.Path(folder, f"{self.taken}.part")
        path.write_bytes(envelope.content)
        path.rename(path.with_suffix(".eml"))
        return "250 taken"


class Plain(Controller):
    def factory(self):
        return SMTP(self.handler)


Plain(Mailbox(), hostname="127.0.0.1", port=int(port)).start()
while True:
    time.sleep(60)
