"""What do keys take in Redis, with so many people each? Needs redis-server; run it as `python3 benches/redis.py`."""

import os
import socket
import subprocess
import tempfile
import time


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def used(server, answers):
    server.sendall(command(b"INFO", b"memory"))
    text = answers.read(int(answers.readline()[1:]) + 2).decode()
    return int(text.split("used_memory:")[1].split()[0])


def room(path, keys, people):
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    answers = server.makefile("rb")
    server.sendall(command(b"FLUSHALL"))
    answers.readline()
    before = used(server, answers)
    for start in range(0, keys, 500):
        count = min(500, keys - start)
        for _ in range(count):
            key = b"p:1:{%s}:e" % os.urandom(12).hex().encode()
            elements = [word for person in range(people) for word in (b"%d" % (1_780_000_000 + person), os.urandom(8))]
            server.sendall(command(b"ZADD", key, b"GT", *elements) + command(b"EXPIRE", key, b"2678400"))
        for _ in range(2 * count):
            answers.readline()
    print(f"{keys} keys x {people} people: {(used(server, answers) - before) / keys:.0f} bytes each")


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "socket")
    arguments = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
    redis = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    while not os.path.exists(path):
        time.sleep(0.01)
    for keys, people in [(200_000, 1), (200_000, 3), (50_000, 10), (300, 1_000)]:
        room(path, keys, people)
    redis.terminate()
    redis.wait()
