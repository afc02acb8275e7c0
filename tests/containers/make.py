"""Writes the files of this folder with real writers, each with the same fifty people. See README.md."""

import bz2
import gzip
import io
import lzma
import pathlib
import sqlite3
import subprocess
import tarfile
import tempfile
import zipfile

import docx
import openpyxl
import pptx
import pyarrow
import pyarrow.parquet
import xlsxwriter
from PIL import Image, PngImagePlugin
from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas
from reportlab.platypus import SimpleDocTemplate, Table

HERE = pathlib.Path(__file__).parent
HEADER = ("name", "email", "phone")
PEOPLE = [(f"Kim Min{n:02}", f"person{n}@mail.example", f"010-2000-{n:04}") for n in range(50)]
CSV = "\n".join([",".join(HEADER), *(",".join(person) for person in PEOPLE)]) + "\n"


def put(name, data):
    (HERE / name).write_bytes(data)


def zipped(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, compress_type=method)
    return out.getvalue()


class Pipe(io.RawIOBase):
    """Takes bytes and cannot seek, so that sizes stand behind the data."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += data
        return len(data)


def streamed(method, big=False):
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        info = zipfile.ZipInfo("people.csv", (2026, 1, 1, 0, 0, 0))
        info.compress_type = method
        with archive.open(info, "w", force_zip64=big) as entry:
            entry.write(CSV.encode())
    return bytes(pipe.data)


def archives():
    csv = [("people.csv", CSV)]
    plain = zipped(csv)
    put("deflated.zip", plain)
    put("stored.zip", zipped(csv, zipfile.ZIP_STORED))
    put("descriptors.zip", streamed(zipfile.ZIP_DEFLATED))
    put("descriptors-stored.zip", streamed(zipfile.ZIP_STORED))
    put("descriptors-zip64.zip", streamed(zipfile.ZIP_DEFLATED, True))
    put("nested.zip", zipped([("a.zip", zipped([("b.zip", plain)], zipfile.ZIP_STORED))]))
    put("lzma.zip", zipped(csv, zipfile.ZIP_LZMA))
    put("bzip2.zip", zipped(csv, zipfile.ZIP_BZIP2))
    put("people.csv.bz2", bz2.compress(CSV.encode()))
    put("people.csv.xz", lzma.compress(CSV.encode()))
    put("people.csv.lz4", subprocess.run(["lz4", "-c"], input=CSV.encode(), capture_output=True, check=True).stdout)
    # An entry that only the directory knows, inside the data of another.
    put("hidden.zip", zipped([("note.txt", b"nothing here " * 9 + plain)], zipfile.ZIP_STORED))
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "people.csv").write_text(CSV)
        subprocess.run(["zip", "-qX", "-P", "secret", "x.zip", "people.csv"], cwd=folder, check=True)
        put("encrypted.zip", pathlib.Path(folder, "x.zip").read_bytes())
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("short.csv", "a-long-folder/" * 12 + "people.csv"):
            data = CSV.encode() if name != "short.csv" else b"nothing,here\n"
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    put("people.tgz", gzip.compress(tar.getvalue(), mtime=0))
    put("tar.zip", zipped([("people.tar", tar.getvalue())]))
    put("people.csv.gz", gzip.compress(CSV.encode(), mtime=0))


def sheets():
    book = openpyxl.Workbook()
    for row in (HEADER, *PEOPLE):
        book.active.append(row)
    book.save(HERE / "shared.xlsx")
    for name, options in (("inline.xlsx", {"constant_memory": True}), ("numbers.xlsx", {"constant_memory": True})):
        book = xlsxwriter.Workbook(str(HERE / name), options)
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        for number, (who, email, phone) in enumerate(PEOPLE):
            if name == "numbers.xlsx":
                sheet.write_row(number + 1, 0, (who, "", int("82" + phone.replace("-", "")[1:])))
            else:
                sheet.write_row(number + 1, 0, (who, email, phone))
        book.close()


def documents():
    document = docx.Document()
    for who, email, phone in PEOPLE[:25]:
        paragraph = document.add_paragraph(f"{who}, ")
        # A value is split wherever its letters change.
        for number, part in enumerate((email[:4], email[4:9], email[9:], ", ", phone[:5], phone[5:])):
            paragraph.add_run(part).bold = number % 2 == 0
    table = document.add_table(rows=0, cols=3)
    for person in PEOPLE[25:]:
        for cell, text in zip(table.add_row().cells, person):
            cell.text = text
    document.save(HERE / "runs.docx")
    slides = pptx.Presentation()
    for begin in range(0, 50, 10):
        slide = slides.slides.add_slide(slides.slide_layouts[5])
        frame = slide.shapes.add_textbox(0, 0, 1, 1).text_frame
        for who, email, phone in PEOPLE[begin : begin + 10]:
            paragraph = frame.add_paragraph()
            for part in (who, ", ", email[:6], email[6:], ", ", phone):
                paragraph.add_run().text = part
    slides.save(HERE / "slides.pptx")


def pages():
    rl_config.invariant = 1
    rl_config.useA85 = 0
    SimpleDocTemplate(str(HERE / "table.pdf"), pagesize=A4).build([Table([HEADER, *PEOPLE])])
    page = canvas.Canvas(str(HERE / "lines.pdf"), pageCompression=1)
    for number, person in enumerate(PEOPLE):
        page.drawString(50, 820 - 15 * number, "  ".join(person))
    page.save()
    page = canvas.Canvas(str(HERE / "encrypted.pdf"), pageCompression=1, encrypt="secret")
    page.drawString(50, 800, CSV[:200])
    page.save()


def others():
    path = HERE / "people.sqlite"
    path.unlink(missing_ok=True)
    base = sqlite3.connect(path)
    base.execute("PRAGMA page_size = 1024")
    base.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT)")
    base.executemany("INSERT INTO customers (name, email, phone) VALUES (?, ?, ?)", PEOPLE)
    base.commit()
    base.close()
    image = Image.new("RGB", (8, 8), "teal")
    half = len(PEOPLE) // 2
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "; ".join("\n" + ", ".join(person) for person in PEOPLE[:20]))
    info.add_text("Packed", "\n".join(", ".join(person) for person in PEOPLE[20:35]), zip=True)
    info.add_itxt("International", "\n".join(", ".join(person) for person in PEOPLE[35:]), zip=True)
    image.save(HERE / "texts.png", pnginfo=info)
    tail = io.BytesIO()
    image.save(tail, "PNG")
    put("tail.png", tail.getvalue() + zipped([("people.csv", CSV)]))
    tail = io.BytesIO()
    image.save(tail, "JPEG", comment="\n".join(", ".join(person) for person in PEOPLE[:half]).encode())
    rest = "\n".join([",".join(HEADER), *(",".join(person) for person in PEOPLE[half:])]) + "\n"
    put("tail.jpeg", tail.getvalue() + zipped([("people.csv", rest)]))


def columns():
    # A column stands apart from the others: who has values in two would be two.
    table = pyarrow.table({"name": [person[0] for person in PEOPLE], "email": [person[1] for person in PEOPLE]})
    plain = {"use_dictionary": False, "write_statistics": False}
    for name, options in (
        ("dictionary.parquet", {"compression": "snappy"}),
        ("plain.parquet", {"compression": "zstd", **plain}),
        ("stored.parquet", {"compression": "none", **plain}),
        ("second.parquet", {"compression": "gzip", "data_page_version": "2.0", "data_page_size": 200, **plain}),
        ("br.parquet", {"compression": "brotli", "write_page_index": True, **plain}),
        ("delta.parquet", {"column_encoding": {"name": "PLAIN", "email": "DELTA_BYTE_ARRAY"}, **plain}),
        ("lz4.parquet", {"compression": "lz4", **plain}),
    ):
        pyarrow.parquet.write_table(table, HERE / name, row_group_size=30, **options)


def texts():
    put("wide.zip", zipped([("people.csv", CSV.encode("utf-16"))]))
    # Digits of the full width, which no reader of ASCII finds.
    wide = str.maketrans("0123456789-", "０１２３４５６７８９－")
    rows = [f"{name},{phone.translate(wide)}\n" for name, _, phone in PEOPLE]
    korean, japanese = "이름,전화번호\n" + "".join(rows[:25]), "氏名,電話番号\n" + "".join(rows[25:])
    put("legacy.zip", zipped([("korean.csv", korean.encode("cp949")), ("japanese.csv", japanese.encode("cp932"))]))
    put("widest.csv.gz", gzip.compress(CSV.encode("utf-32-be"), mtime=0))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        data = zipped([("people.csv", CSV)])
        info = tarfile.TarInfo("customers.zip")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    put("zip.tar", tar.getvalue())


archives()
sheets()
documents()
pages()
others()
columns()
texts()
