"""What does Tidegate hold in memory: idle, with idle connections, and with a large body streaming through?

    python3 benches/memory.py target/release/tidegate [GIB]

Prints the resident set of the gateway (VmRSS, MiB) as the kernel tells it. The body is clean JSON lines under an enforced
budget, so that every byte is searched and held back; its length is checked at the client.
"""
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

BINARY = sys.argv[1]
GIB = int(sys.argv[2]) if len(sys.argv) > 2 else 10
LINE = b'{"id":1048576,"title":"Blue widget number 42","price":12.5,"tags":["red","sale"],"in_stock":true}\n'
CHUNK = LINE * (65536 // len(LINE))


def origin(server):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection):
    request = b""
    while connection:
        while b"\r\n\r\n" not in request:
            data = connection.recv(65536)
            if not data:
                return
            request += data
        head, request = request.split(b"\r\n\r\n", 1)
        chunks = GIB * (1 << 30) // len(CHUNK) if b"GET /large" in head else 1
        length = chunks * len(CHUNK)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: %d\r\n\r\n" % length)
        for _ in range(chunks):
            connection.sendall(CHUNK)


def fetch(address, path):
    client = socket.create_connection(address)
    client.sendall(b"GET %s HTTP/1.1\r\nhost: memory.example\r\n\r\n" % path)
    data = client.recv(65536)
    while b"\r\n\r\n" not in data:
        data += client.recv(65536)
    head, rest = data.split(b"\r\n\r\n", 1)
    wanted = int([line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")][0].split(b":")[1])
    got = len(rest)
    while got < wanted:
        got += len(client.recv(min(1 << 20, wanted - got)) or sys.exit("the body was cut"))
    return client, got


def resident(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


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
        f"[listen.http]\naddress = '127.0.0.1:{listen}'\n[admin]\naddress = '127.0.0.1:{admin}'\n"
        f"[[route]]\nmatch = '*/'\nupstream = ['http://127.0.0.1:{server.getsockname()[1]}']\n"
        "[[budget]]\nname = 'bulk'\nper = 'exchange'\npeople = 60\naction = 'block'\nmode = 'enforce'\n"
    )
    gateway = subprocess.Popen([BINARY, "run", "--config", config], stderr=subprocess.DEVNULL)
    address = ("127.0.0.1", listen)
    for _ in range(200):
        try:
            socket.create_connection(address).close()
            break
        except OSError:
            time.sleep(0.05)
    idle = resident(gateway)
    print(f"idle at start: {idle:.1f} MiB")
    clients = [fetch(address, b"/small")[0] for _ in range(1000)]
    time.sleep(1)
    print(f"with 1,000 idle connections: {resident(gateway):.1f} MiB, {(resident(gateway) - idle) * 1024 / 1000:.1f} KiB each")
    for client in clients:
        client.close()
    samples, done = [], threading.Event()

    def sample():
        while not done.wait(0.2):
            samples.append(resident(gateway))

    threading.Thread(target=sample, daemon=True).start()
    started = time.monotonic()
    _, got = fetch(address, b"/large")
    seconds = time.monotonic() - started
    done.set()
    print(f"with a body of {got / (1 << 30):.1f} GiB under way: from {min(samples):.1f} to {max(samples):.1f} MiB, "
          f"{got / seconds / 1e6:.0f} MB/s")
    gateway.terminate()
    gateway.wait()
