"""What does it cost to look into TLS, beside other proxies that open it?

    python3 benches/intercept.py target/dist/tidegate [ROUNDS]

As root: the names of the origin stand in a file of hosts that this program alone sees (a mount namespace), and Squid gives up
root's rights. Peers are those on the path: `squid` (Debian's squid-openssl), `mitmdump` and `hudsucker-peer`; others are named
as not measured. None of them reads a body; Tidegate reads everything under budgets that would refuse, in both directions.

Every proxy is a process of its own on the last core, with one thread where it lets itself be told, and new in every round, so
that its leaves are made anew. Its processor time is that of the process and of its children, as the kernel counts it. Clients and
the origin share the other cores. Every answer is whole, under a leaf that the proxy's own authority signed.
"""
import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import pathlib
import pwd
import random
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zlib

BINARY = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
CLIENTS = 4
NAMES = 400
DOMAIN = "bench.example"
WARM = "n0." + DOMAIN
PAGES = 2_000
LARGE = 256 << 20
START_SECONDS_MAX = 30
STALL_SECONDS_MAX = 60
TRIES_MAX = 20
CHUNK = 65_536

WORDS = "blue cotton garden kettle lamp linen maple orange oval river short silver stone walnut window wool".split()


def product(numbers):
    """A thing for sale: nobody is in it, but numbers, times and identifiers are."""
    one, two, three = numbers.sample(WORDS, 3)
    made = f"2026-{numbers.randrange(1, 13):02}-{numbers.randrange(1, 29):02}T{numbers.randrange(24):02}:{numbers.randrange(60):02}:00Z"
    return (f'{{"id":"{uuid.UUID(int=numbers.getrandbits(128), version=4)}","sku":"SKU-{numbers.randrange(100_000):05}",'
            f'"title":"{one} {two} {three}","price":{numbers.randrange(900)}.{numbers.randrange(100):02},'
            f'"stock":{numbers.randrange(500)},"updated":"{made}","active":true,"tags":["{two}","{three}"]}}')


def person(number):
    first, last = [("Anna", "Weber"), ("John", "Miller"), ("Maria", "Santos"), ("Peter", "Novak")][number % 4]
    return (f'{{"id":{number},"name":"{first} {last}","email":"customer{number}@mail.example",'
            f'"phone":"010-0000-{number:04}","city":"Springfield","orders":{number % 7}}}')


def page(people):
    return ("[" + ",\n".join(map(person, people)) + "]").encode()


NUMBERS = random.Random(1)
CLEAN = ("[" + ",".join(product(NUMBERS) for _ in range(52)) + "]").encode()
DENSE_PEOPLE = 82
DENSE = page(range(DENSE_PEOPLE))
# More than a budget lets pass: through Tidegate none of it may come, nor go.
CROWD = page(range(1_000, 1_400))
PEOPLE_MAX = 200
BLOCK = "".join(product(NUMBERS) + "\n" for _ in range(300)).encode()
BLOCKS = LARGE // len(BLOCK)
BODIES = {"/clean": CLEAN, "/dense": DENSE, "/crowd": CROWD, "/small": b"nobody\n"}


def checksum():
    value = 0
    for _ in range(BLOCKS):
        value = zlib.crc32(BLOCK, value)
    return value


# The origin.

def read_head(stream, rest):
    while b"\r\n\r\n" not in rest:
        data = stream.recv(CHUNK)
        if not data:
            return None, b""
        rest += data
    return rest.split(b"\r\n\r\n", 1)


def length_of(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def read_body(stream, length, rest, buffer):
    """Its checksum, and what was read behind it."""
    value, length = zlib.crc32(rest[:length]), length - len(rest)
    while length > 0:
        count = stream.recv_into(buffer, min(length, len(buffer)))
        assert count, "the body was cut"
        value = zlib.crc32(memoryview(buffer)[:count], value)
        length -= count
    return value


def answer(context, connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer, rest = bytearray(CHUNK), b""
    try:
        with context.wrap_socket(connection, server_side=True) as stream:
            while True:
                head, rest = read_head(stream, rest)
                if head is None:
                    return
                target, length = head.split(b" ")[1].decode(), length_of(head)
                value = read_body(stream, length, rest, buffer)
                rest = rest[length:]
                respond(stream, target, value)
    except (OSError, AssertionError):
        return  # whoever asked sees that the answer is not whole


def respond(stream, target, value):
    head = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\n{}\r\n"
    if target == "/large":
        stream.sendall(head.format("application/x-ndjson", BLOCKS * len(BLOCK), "").encode())
        for _ in range(BLOCKS):
            stream.sendall(BLOCK)
        return
    body = BODIES.get(target, b'{"checksum":%d}' % value)
    # Where handshakes are counted no proxy can spare its own to the origin.
    closes = "connection: close\r\n" if target == "/small" else ""
    stream.sendall(head.format("application/json", len(body), closes).encode() + body)


def origin(server, chain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(context, connection), daemon=True).start()


# Clients.

class Clients:
    """Those of one proxy. Every handshake is whole and its leaf is of the authority, or it fails."""

    def __init__(self, proxy, port, authority):
        self.proxy, self.port = proxy, port
        self.context = ssl.create_default_context(cafile=authority)
        self.issuer = self.context.get_ca_certs()[0]["subject"]
        self.resumed = 0
        self.pool = concurrent.futures.ThreadPoolExecutor(CLIENTS)

    def open(self, name, session=None):
        stream = socket.create_connection(self.proxy, STALL_SECONDS_MAX)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        target = f"{name}:{self.port}"
        stream.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head, _ = read_head(stream, b"")
        assert head and b" 200" in head.split(b"\r\n")[0], f"CONNECT: {head}"
        stream = self.context.wrap_socket(stream, server_hostname=name, session=session)
        assert stream.getpeercert()["issuer"] == self.issuer, "not opened by the proxy"
        return stream

    def ask(self, stream, name, path, sent=b""):
        method = "POST" if sent else "GET"
        head = f"{method} {path} HTTP/1.1\r\nHost: {name}:{self.port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n" if sent else ""
        stream.sendall(f"{head}\r\n".encode() + sent)
        return self.read(stream)

    def read(self, stream):
        head, body = read_head(stream, b"")
        assert head, "no answer"
        wanted = length_of(head)
        while len(body) < wanted:
            data = stream.recv(CHUNK)
            assert data, "the answer was cut"
            body += data
        return int(head.split(b" ")[1]), body

    def shake(self, name, session=None):
        with self.open(name, session) as stream:
            answer = self.ask(stream, name, "/small")
            assert answer == (200, BODIES["/small"]), answer
            return stream.session, stream.session_reused

    def handshakes(self, names):
        list(self.pool.map(self.shake, names))
        return len(names)

    def resumptions(self, count):
        def chain(share):
            session, again = None, 0
            for _ in range(share + 1):
                session, is_resumed = self.shake(WARM, session)
                again += is_resumed
            return again
        self.resumed = sum(self.pool.map(chain, [count // CLIENTS] * CLIENTS)) / count
        return count + CLIENTS

    def pages(self, path):
        def some(count):
            with self.open(WARM) as stream:
                for _ in range(count):
                    answer = self.ask(stream, WARM, path)
                    assert answer == (200, BODIES[path]), answer
        list(self.pool.map(some, [PAGES // CLIENTS] * CLIENTS))
        return PAGES

    def download(self, wanted):
        with self.open(WARM) as stream:
            stream.sendall(f"GET /large HTTP/1.1\r\nHost: {WARM}:{self.port}\r\n\r\n".encode())
            head, rest = read_head(stream, b"")
            assert head.split(b" ")[1] == b"200" and length_of(head) == BLOCKS * len(BLOCK), head
            assert read_body(stream, length_of(head), rest, bytearray(CHUNK)) == wanted, "other bytes"
        return BLOCKS * len(BLOCK) / 1e9

    def upload(self, wanted):
        with self.open(WARM) as stream:
            head = f"POST /in HTTP/1.1\r\nHost: {WARM}:{self.port}\r\nContent-Type: application/x-ndjson\r\n"
            stream.sendall(f"{head}Content-Length: {BLOCKS * len(BLOCK)}\r\n\r\n".encode())
            for _ in range(BLOCKS):
                stream.sendall(BLOCK)
            status, body = self.read(stream)
            assert status == 200 and json.loads(body)["checksum"] == wanted, "other bytes"
        return BLOCKS * len(BLOCK) / 1e9


# Proxies.

def tidegate(folder, port, origin_port):
    state = folder / "tidegate"
    state.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        admin = probe.getsockname()[1]
    (state / "tidegate.toml").write_text(
        f"[admin]\naddress = '127.0.0.1:{admin}'\n[state]\ndir = 'state'\n"
        f"[listen.out]\naddress = '127.0.0.1:{port}'\n[listen.out.forward]\nclients = ['127.0.0.0/8']\n"
        f"authority = '{folder}/authority'\nca = '{folder}/origins.pem'\nports = [{origin_port}]\nreaches = ['127.0.0.0/8']\n"
        f"[[budget]]\nname = 'one'\nper = 'exchange'\npeople = {PEOPLE_MAX}\naction = 'block'\nmode = 'enforce'\n"
        f"[[budget]]\nname = 'day'\nper = 'address'\npeople = {PEOPLE_MAX}\nwindow = '1d'\naction = 'block'\nmode = 'enforce'\n"
    )
    return [BINARY, "run", "--config", str(state / "tidegate.toml")], state


def squid(folder, port, _):
    state = folder / "squid"
    state.mkdir()
    shutil.copytree(folder / "authority", state / "authority")
    subprocess.run(["/usr/lib/squid/security_file_certgen", "-c", "-s", state / "leaves", "-M", "16MB"],
                   check=True, stdout=subprocess.DEVNULL)
    (state / "squid.conf").write_text(
        f"http_port 127.0.0.1:{port} ssl-bump tls-cert={state}/authority/authority.pem tls-key={state}/authority/authority.key "
        "generate-host-certificates=on dynamic_cert_mem_cache_size=16MB\n"
        f"sslcrtd_program /usr/lib/squid/security_file_certgen -s {state}/leaves -M 16MB\n"
        f"tls_outgoing_options cafile={folder}/origins.pem\n"
        "acl step1 at_step SslBump1\nssl_bump peek step1\nssl_bump bump all\nhttp_access allow localhost\nhttp_access deny all\n"
        "cache deny all\naccess_log none\nnetdb_filename none\npinger_enable off\nshutdown_lifetime 0 seconds\n"
        f"visible_hostname squid.example\npid_filename {state}/pid\ncache_log {state}/log\ncoredump_dir {state}\n"
    )
    owner = pwd.getpwnam("proxy")
    for path in [state, *state.rglob("*")]:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return ["squid", "-N", "-f", str(state / "squid.conf"), "-n", f"bench{port}"], state


def mitmproxy(folder, port, _):
    state = folder / "mitmproxy"
    state.mkdir()
    both = [(folder / "authority" / name).read_bytes() for name in ["authority.key", "authority.pem"]]
    (state / "mitmproxy-ca.pem").write_bytes(b"".join(both))
    settings = [f"confdir={state}", f"ssl_verify_upstream_trusted_ca={folder}/origins.pem", "stream_large_bodies=1m"]
    words = ["mitmdump", "-q", "--mode", "regular", "--listen-host", "127.0.0.1", "--listen-port", str(port)]
    return words + [word for setting in settings for word in ["--set", setting]], state


def hudsucker(folder, port, _):
    state = folder / "hudsucker"
    state.mkdir()
    authority = folder / "authority"
    files = [authority / "authority.pem", authority / "authority.key", folder / "origins.pem"]
    return ["hudsucker-peer", f"127.0.0.1:{port}", *map(str, files)], state


PROXIES = {"Tidegate": (BINARY, tidegate), "Squid": ("squid", squid), "mitmproxy": ("mitmdump", mitmproxy),
           "hudsucker": ("hudsucker-peer", hudsucker)}


def family(root):
    """A process and all below it."""
    parents = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    found = [root]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def processor(root):
    """Seconds: of each that runs by its clock (clock_getcpuclockid(3)), of those that ended by the times of their parent."""
    seconds = 0
    for one in family(root):
        with contextlib.suppress(OSError):
            seconds += time.clock_gettime((~one << 3) | 2)
            times = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            seconds += (int(times[13]) + int(times[14])) / os.sysconf("SC_CLK_TCK")
    return seconds


@contextlib.contextmanager
def running(name, folder, origin_port, core):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words, state = PROXIES[name][1](folder, port, origin_port)
    environment = dict(os.environ, TOKIO_WORKER_THREADS="1")
    with open(state / "said", "wb") as said:
        process = subprocess.Popen(["taskset", "--cpu-list", str(core), *words], env=environment, stdout=said, stderr=said)
    try:
        for _ in range(START_SECONDS_MAX * 10):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert process.poll() is None, (state / "said").read_text()
            time.sleep(0.1)
        else:
            sys.exit(f"{name} does not listen")
        yield process.pid, ("127.0.0.1", port)
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(state)


# Rows.

HANDSHAKES, WARM_TIMES = [f"n{number}.{DOMAIN}" for number in range(1, NAMES + 1)], 2
COLD, AGAIN, RESUMED = "handshake, leaf new", "handshake, leaf known", "handshake, resumed"
ROWS = {
    COLD: ("ms", 1e3, lambda clients, _: clients.handshakes(HANDSHAKES)),
    AGAIN: ("ms", 1e3, lambda clients, _: clients.handshakes(HANDSHAKES * WARM_TIMES)),
    RESUMED: ("ms", 1e3, lambda clients, _: clients.resumptions(NAMES)),
    "10 KB, clean": ("us", 1e6, lambda clients, _: clients.pages("/clean")),
    "10 KB, dense": ("us", 1e6, lambda clients, _: clients.pages("/dense")),
    "download, a GB": ("s", 1, lambda clients, wanted: clients.download(wanted)),
    "upload, a GB": ("s", 1, lambda clients, wanted: clients.upload(wanted)),
}


def reads_all(clients):
    """What would pass unread shows in this: of too many people only so many come, and none goes."""
    with clients.open(WARM) as stream:
        stream.sendall(f"GET /crowd HTTP/1.1\r\nHost: {WARM}:{clients.port}\r\n\r\n".encode())
        shown = b""
        with contextlib.suppress(ssl.SSLError):
            while data := stream.recv(CHUNK):
                shown += data
        came = shown.count(b"customer")
        assert came == PEOPLE_MAX - DENSE_PEOPLE, f"{came} of the crowd came"
    with clients.open(WARM) as stream:
        status, _ = clients.ask(stream, WARM, "/in", CROWD)
        assert status == 403, f"the crowd went: {status}"


def whole(name, row, process, run):
    """Processor time and time by the clock of one. Squid 5.7 closes some uploads in their middle: that is told, and done again."""
    for _ in range(TRIES_MAX):
        began, spent = time.monotonic(), processor(process)
        try:
            count = run()
            return (processor(process) - spent) / count, (time.monotonic() - began) / count
        except OSError as error:
            print(f"CUT by {name}: {row}: {error}")
    sys.exit(f"{name} lets no whole one pass: {row}")


def measure(name, folder, origin_port, wanted, core):
    """Of each row: processor time and time by the clock of one."""
    print(f"{name} ...", file=sys.stderr)
    found = {}
    with running(name, folder, origin_port, core) as (process, address):
        clients = Clients(address, origin_port, folder / "authority" / "authority.pem")
        for path in ["/small", "/clean", "/dense"]:
            with clients.open(WARM) as stream:
                assert clients.ask(stream, WARM, path) == (200, BODIES[path]), path
        for row, (_, _, run) in ROWS.items():
            found[row] = whole(name, row, process, lambda: run(clients, wanted))
        if name == "Tidegate":
            reads_all(clients)
        found["resumed"] = clients.resumed
        clients.pool.shutdown()
    return found


def print_table(rounds, names):
    print("\n| what, processor time | " + " | ".join(f"{name}: least, middle" for name in names) + " |")
    print("|" + "---|" * (len(names) + 1))
    for row, (unit, factor, _) in ROWS.items():
        cells = []
        for name in names:
            times = [found[name][row][0] * factor for found in rounds]
            ratio = statistics.median(found[name][row][0] / found["Tidegate"][row][0] for found in rounds)
            more = "" if name == "Tidegate" else f" ({ratio:.2f})"
            cells.append(f"{min(times):.3g}, {statistics.median(times):.3g}{more}")
        print(f"| {row}, {unit} | " + " | ".join(cells) + " |")
    for row in [COLD, AGAIN, RESUMED]:
        rates = [f"{statistics.median(1 / found[name][row][1] for found in rounds):.0f}" for name in names]
        print(f"| {row}, a second by the clock | " + " | ".join(rates) + " |")
    shares = [f"{statistics.median(found[name]['resumed'] for found in rounds):.0%}" for name in names]
    print("| of those that ask to resume, resumed | " + " | ".join(shares) + " |")


def certificates(folder):
    """The origin's chain, and the authority of its own that signed it; and that of all proxies, of a kind that all take."""
    def run(*words):
        subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    (folder / "authority").mkdir()
    for stem in ["origins", "authority/authority"]:
        run("openssl", "req", "-x509", *curve, "-keyout", f"{stem}.key", "-out", f"{stem}.pem", "-days", "2", "-subj",
            f"/CN={pathlib.Path(stem).name} of a bench", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    run("openssl", "req", *curve, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", f"/CN={DOMAIN}")
    (folder / "leaf.ext").write_text(f"subjectAltName=DNS:*.{DOMAIN}\nextendedKeyUsage=serverAuth\n")
    run("openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "origins.pem", "-CAkey", "origins.key", "-CAcreateserial",
        "-days", "2", "-extfile", "leaf.ext", "-out", "leaf.pem")
    chain = folder / "chain.pem"
    chain.write_bytes((folder / "leaf.pem").read_bytes() + (folder / "leaf.key").read_bytes())
    return chain


def main(folder):
    folder.chmod(0o755)
    hosts = folder / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ["localhost", WARM, *HANDSHAKES]))
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    chain, wanted = certificates(folder), checksum()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:-1] or cores)
    server = socket.create_server(("127.0.0.1", 0), backlog=1024)
    served = multiprocessing.Process(target=origin, args=(server, chain), daemon=True)
    served.start()
    names = [name for name, (program, _) in PROXIES.items() if shutil.which(program)]
    for name in PROXIES.keys() - set(names):
        print(f"NOT MEASURED: {name}, which is not on the path")
    rounds = []
    for number in range(ROUNDS):
        turn = random.Random(number).sample(names, len(names))
        rounds.append({name: measure(name, folder, server.getsockname()[1], wanted, cores[-1]) for name in turn})
        print(f"round {number + 1} of {ROUNDS} is done", file=sys.stderr)
    served.terminate()
    print_table(rounds, names)


if __name__ == "__main__":
    if os.environ.get("TIDEGATE_BENCH") != "apart":
        os.environ["TIDEGATE_BENCH"] = "apart"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    BINARY = shutil.which(BINARY) or sys.exit("no such program: " + BINARY)
    BINARY = str(pathlib.Path(BINARY).resolve())
    with tempfile.TemporaryDirectory() as temporary:
        main(pathlib.Path(temporary))
