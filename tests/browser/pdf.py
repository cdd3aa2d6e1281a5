"""Just enough of PDF to read what Chromium prints: how many pages, how large, and the words on each."""

import re
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Sheet:
    """A page: millimetres wide and high, and its text as it is drawn."""

    width_mm: float
    height_mm: float
    text: str


def sheets(content: bytes) -> list[Sheet]:
    """The pages of a document in order."""
    objects = {int(number): body for number, body in re.findall(rb"\n(\d+) 0 obj\n?(.*?)\nendobj", content, re.DOTALL)}
    found = []
    for page in _kids(objects, _root(objects)):
        left, low, right, high = (float(part) for part in re.search(rb"/MediaBox ?\[([^\]]+)\]", page)[1].split())
        fonts = {
            name: _letters(objects, int(number))
            for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", _resources(objects, page))
        }
        drawn = _stream(objects[int(re.search(rb"/Contents (\d+) 0 R", page)[1])])
        found.append(Sheet((right - left) * 25.4 / 72, (high - low) * 25.4 / 72, _text(drawn, fonts)))
    return found


def _root(objects: dict[int, bytes]) -> int:
    catalogue = next(body for body in objects.values() if re.search(rb"/Type ?/Catalog", body))
    return int(re.search(rb"/Pages (\d+) 0 R", catalogue)[1])


def _kids(objects: dict[int, bytes], number: int) -> list[bytes]:
    body = objects[number]
    kids = re.search(rb"/Kids ?\[([^\]]*)\]", body)
    if kids is None:
        return [body]
    return [page for kid in re.findall(rb"(\d+) 0 R", kids[1]) for page in _kids(objects, int(kid))]


def _resources(objects: dict[int, bytes], page: bytes) -> bytes:
    there = re.search(rb"/Resources (\d+) 0 R", page)
    return objects[int(there[1])] if there else page


def _stream(body: bytes) -> bytes:
    begins = re.search(rb"stream\r?\n", body).end()
    packed = body[begins : begins + int(re.search(rb"/Length (\d+)", body)[1])]
    return zlib.decompress(packed) if b"/FlateDecode" in body else packed


def _letters(objects: dict[int, bytes], font: int) -> dict[int, str]:
    """What each code of a font stands for."""
    there = re.search(rb"/ToUnicode (\d+) 0 R", objects[font])
    if there is None:
        return {}
    table, known = _stream(objects[int(there[1])]), {}
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", table, re.DOTALL):
        for code, letters in re.findall(rb"<([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)>", block):
            known[int(code, 16)] = bytes.fromhex(letters.decode()).decode("utf-16-be")
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", table, re.DOTALL):
        for first, last, start in re.findall(rb"<([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)> <([0-9A-Fa-f]+)>", block):
            for step in range(int(last, 16) - int(first, 16) + 1):
                known[int(first, 16) + step] = chr(int(start, 16) + step)
    return known


def _text(drawn: bytes, fonts: dict[bytes, dict[int, str]]) -> str:
    words, font = [], {}
    for name, shown, ended in re.findall(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>|\b(ET)\b", drawn):
        if name:
            font = fonts.get(name, {})
        elif ended:
            words.append(" ")
        else:
            codes = (int(shown[at : at + 4], 16) for at in range(0, len(shown), 4))
            words.append("".join(font.get(code, "") for code in codes))
    return re.sub(r"\s+", " ", "".join(words))
