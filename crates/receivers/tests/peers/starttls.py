"""A mail server whose replies somebody added to before TLS began: starttls.py PORT CERT KEY ADDED.

It takes a connection, offers STARTTLS, sends ADDED behind the reply to it, and within TLS never answers anything.
"""

import socket
import ssl
import sys

port, certificate, key, added = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", int(port)))
while True:
    client, _ = listener.accept()
    try:
        client.sendall(b"220 mail.example.com\r\n")
        if not client.recv(1000):
            continue
        client.sendall(b"250-mail.example.com\r\n250 STARTTLS\r\n")
        client.recv(1000)
        client.sendall(b"220 go on\r\n" + added.encode().decode("unicode_escape").encode())
        inside = context.wrap_socket(client, server_side=True)
        while inside.recv(4096):
            pass
    except OSError:
        pass
