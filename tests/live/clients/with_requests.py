"""Asks with Requests, which finds its proxy and its authority in the environment."""
import sys

import requests

url, *upload = sys.argv[1:]
with requests.Session() as session:
    if upload:
        with open(upload[0], "rb") as file:
            answer = session.post(url, data=file, stream=True)
    else:
        answer = session.get(url, stream=True)
    print(answer.status_code, "HTTP/1.1", flush=True)
    for chunk in answer.iter_content(1024):
        sys.stdout.buffer.write(chunk)
