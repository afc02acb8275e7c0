"""What does Tidegate hold in memory: at start, with idle connections, and with a large body streaming through?

    python3 benches/memory.py target/release/tidegate [GIB]

Prints the resident set of the gateway as the kernel tells it (VmRSS; VmHWM is its peak since it was last cleared: proc(5)).
An idle connection has had one exchange and is kept alive. The large body is clean JSON lines under an enforced budget, so
that every byte is searched and held back until its line is settled; its length is checked at the client.
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

BINARY = sys.argv[1]
GIB = float(sys.argv[2]) if len(sys.argv) > 2 else 10
IDLE = [1000, 2000, 3000]
LINE = b'{"id":1048576,"title":"Blue widget number 42","price":12.5,"tags":["red","sale"],"in_stock":true}\n'
CHUNK = LINE * (65536 // len(LINE))
PAGE = LINE * 10


def origin(server):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection):
    request = b""
    while True:
        while b"\r\n\r\n" not in request:
            data = connection.recv(65536)
            if not data:
                return
            request += data
        head, request = request.split(b"\r\n\r\n", 1)
        chunk, chunks = (CHUNK, int(GIB * (1 << 30)) // len(CHUNK)) if b"GET /large" in head else (PAGE, 1)
        length = chunks * len(chunk)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: %d\r\n\r\n" % length)
        for _ in range(chunks):
            connection.sendall(chunk)


def fetch(address, path):
    client = socket.create_connection(address)
    client.sendall(b"GET %s HTTP/1.1\r\nhost: memory.example\r\n\r\n" % path)
    data = client.recv(65536)
    while b"\r\n\r\n" not in data:
        data += client.recv(65536)
    head, rest = data.split(b"\r\n\r\n", 1)
    wanted = int([line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")][0].split(b":")[1])
    got, buffer = len(rest), bytearray(1 << 20)
    while got < wanted:
        got += client.recv_into(buffer, min(len(buffer), wanted - got)) or sys.exit("the body was cut")
    return client, got


def memory(process, field):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split(field + ":")[1].split()[0]) / 1024


def processor(process):
    times = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(times[11]) + int(times[12])) / 100


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


server = socket.create_server(("127.0.0.1", 0), backlog=1024)
threading.Thread(target=origin, args=(server,), daemon=True).start()
with tempfile.TemporaryDirectory() as folder:
    listen, admin = free_port(), free_port()
    config = pathlib.Path(folder, "tidegate.toml")
    config.write_text(
        "[limits]\nidle_ms_max = 600000\n"
        f"[listen.http]\naddress = '127.0.0.1:{listen}'\n[admin]\naddress = '127.0.0.1:{admin}'\n[state]\ndir = 'state'\n"
        f"[[route]]\nmatch = '*/'\nupstream = ['http://127.0.0.1:{server.getsockname()[1]}']\n"
        "[[budget]]\nname = 'bulk'\nper = 'exchange'\npeople = 60\naction = 'block'\nmode = 'enforce'\n"
    )
    gateway = subprocess.Popen([BINARY, "run", "--config", config], stderr=subprocess.DEVNULL)
    try:
        address = ("127.0.0.1", listen)
        for _ in range(200):
            try:
                socket.create_connection(address).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(1)
        print(f"at start: {memory(gateway, 'VmRSS'):.1f} MiB")
        fetch(address, b"/small")[0].close()
        time.sleep(1)
        before = memory(gateway, "VmRSS")
        print(f"after one exchange: {before:.1f} MiB")
        clients = []
        for count in IDLE:
            while len(clients) < count:
                clients.append(fetch(address, b"/small")[0])
            time.sleep(2)
            opened = len(os.listdir(f"/proc/{gateway.pid}/fd"))
            assert opened > count, f"{opened} descriptors for {count} connections"
            now = memory(gateway, "VmRSS")
            print(f"with {count} idle connections: {now:.1f} MiB, {(now - before) * 1024 / count:.1f} KiB each")
        for client in clients:
            client.close()
        time.sleep(2)
        pathlib.Path(f"/proc/{gateway.pid}/clear_refs").write_text("5")
        before, spent, started = memory(gateway, "VmRSS"), processor(gateway), time.monotonic()
        _, got = fetch(address, b"/large")
        seconds, spent = time.monotonic() - started, processor(gateway) - spent
        gib = got / (1 << 30)
        print(f"a body of {gib:.1f} GiB: {before:.1f} MiB before, {memory(gateway, 'VmHWM'):.1f} MiB at most, "
              f"{got / seconds / 1e6:.0f} MB/s, {spent / gib:.1f} s of processor a GiB")
    finally:
        gateway.terminate()
        gateway.wait()
