"""Asks with HTTPX, which finds its proxy and its authority in the environment."""
import sys

import httpx

version, url, *upload = sys.argv[1:]
content = open(upload[0], "rb").read() if upload else None
with httpx.Client(http1=version == "HTTP/1.1", http2=version == "HTTP/2") as client:
    with client.stream("POST" if upload else "GET", url, content=content) as answer:
        print(answer.status_code, answer.http_version, flush=True)
        for chunk in answer.iter_raw():
            sys.stdout.buffer.write(chunk)
