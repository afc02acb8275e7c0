"""Makes what pip and npm look for in this directory: an index and a registry, each with a package in which nobody is and one that carries the file."""
import base64
import hashlib
import io
import json
import sys
import tarfile
import zipfile

address, file = sys.argv[1:]
carried = {"clean": b"nobody is here\n", "people": open(file, "rb").read()}


def wheel(name, data):
    """A wheel, as PyPA's specification of binary distributions has it."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": b"",
        f"{name}/data.csv": data,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in (files | {f"{info}/RECORD": record.encode()}).items():
            packed.writestr(path, content)
    with open(f"{name}.html", "w") as page:
        page.write(f'<!doctype html><a href="/{name}-1.0-py3-none-any.whl">{name}-1.0-py3-none-any.whl</a>')


def tarball(name, data):
    """A package of npm, and the document by which its registry describes it."""
    manifest = {"name": name, "version": "1.0.0"}
    files = {"package/package.json": json.dumps(manifest).encode(), "package/data.csv": data}
    with tarfile.open(f"{name}-1.0.0.tgz", "w:gz") as packed:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha512(open(f"{name}-1.0.0.tgz", "rb").read()).digest()
    dist = {
        "tarball": f"https://{address}/{name}-1.0.0.tgz",
        "integrity": "sha512-" + base64.b64encode(digest).decode(),
    }
    document = {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": manifest | {"dist": dist}}}
    with open(f"{name}.json", "w") as told:
        json.dump(document, told)


for name, data in carried.items():
    wheel(name, data)
    tarball(name, data)
