"""The demo's picture: originals and altered copies, with boxes and names of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from facedex.printing import counted
from facedex_cli.demo.demonstration import Found, Picture, Result

_TILE: Final = 320  # pixels, the square into which a picture is fitted
_GAP: Final = 24
_CAPTION: Final = 64
_HEADER: Final = 96
_TALLEST: Final = 1000  # maximum height of the user's photo
_PAPER: Final = "#f4f5f7"
_CARD: Final = "#ffffff"
_INK: Final = "#1d2733"
_FAINT: Final = "#66717f"
_RIGHT: Final = "#1a9850"
_WRONG: Final = "#d1495b"
_STRANGER: Final = "#e39b17"
_INDEXED: Final = "#2f6fde"
_LEGEND: Final = (
    "Blue: indexed. Green: found, with its Similarity (99: one false match in 10,000 comparisons "
    "of different people). Amber: no match."
)


def draw(
    rows: Sequence[Sequence[Result]], wide: Result | None, names: Mapping[str, str]
) -> Picture:
    """Draw all results in one picture.

    Args:
        rows: a row for each portrait: the original first, then its copies.
        wide: the user's photo, below the rows.
        names: name of each portrait's person, by key.
    """
    columns = max(len(row) for row in rows)
    width = columns * (_TILE + _GAP) + _GAP
    height = _HEADER + len(rows) * (_TILE + _CAPTION + _GAP)
    photo = _scaled(wide.picture, width - 2 * _GAP, _TALLEST) if wide else None
    if photo:
        height += photo.height + _CAPTION + _GAP
    picture = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((_GAP, 22), "facedex demo", _INK, ImageFont.load_default(30))
    pen.text((_GAP, 60), _LEGEND, _FAINT, ImageFont.load_default(17))
    for number, row in enumerate(rows):
        for column, result in enumerate(row):
            left = _GAP + column * (_TILE + _GAP)
            top = _HEADER + number * (_TILE + _CAPTION + _GAP)
            _draw_tile(picture, result, left, top, names)
    if wide and photo:
        top = _HEADER + len(rows) * (_TILE + _CAPTION + _GAP)
        left = (width - photo.width) // 2
        _draw_photo(picture, photo, wide, (left, top), names)
    return picture


def _draw_tile(
    picture: Picture, result: Result, left: int, top: int, names: Mapping[str, str]
) -> None:
    pen = ImageDraw.Draw(picture)
    card = (left - 6, top - 6, left + _TILE + 6, top + _TILE + _CAPTION)
    pen.rounded_rectangle(card, 10, fill=_CARD)
    photo = _scaled(result.picture, _TILE, _TILE)
    x, y = left + (_TILE - photo.width) // 2, top + (_TILE - photo.height) // 2
    picture.paste(photo, (x, y))
    for face in result.faces:
        _draw_box(pen, face, photo, (x, y), _colour(face, result))
    pen.text((left + 4, top + _TILE + 6), result.title, _FAINT, ImageFont.load_default(17))
    # A portrait has one face; if none was found, the name's place says so.
    line, colour = "no face", _WRONG
    for face in result.faces[:1]:
        line, colour = _label(face, names), _colour(face, result)
    pen.text((left + 4, top + _TILE + 27), line, colour, ImageFont.load_default(21))


def _draw_photo(
    picture: Picture,
    photo: Picture,
    result: Result,
    at: tuple[int, int],
    names: Mapping[str, str],
) -> None:
    pen = ImageDraw.Draw(picture)
    picture.paste(photo, at)
    font = ImageFont.load_default(16)
    for face in result.faces:
        colour = _colour(face, result)
        left, top = _draw_box(pen, face, photo, at, colour)
        if face.key is None:
            continue
        text = _label(face, names)
        extent = pen.textbbox((0, 0), text, font)
        x = min(left, at[0] + photo.width - extent[2] - 8)
        y = top - extent[3] - 8 if top - extent[3] - 8 > at[1] else top + 2
        pen.rectangle((x, y, x + extent[2] + 8, y + extent[3] + 6), fill=colour)
        pen.text((x + 4, y + 2), text, "white", font)
    known = sum(face.key is not None for face in result.faces)
    caption = f"{result.title}: {counted(len(result.faces), 'face')}, {known} recognised"
    below = at[1] + photo.height + 8
    pen.text((at[0], below), caption, _INK, ImageFont.load_default(21))


def _draw_box(
    pen: ImageDraw.ImageDraw, face: Found, picture: Picture, at: tuple[int, int], colour: str
) -> tuple[float, float]:
    left, top, width, height = face.box
    x0, y0 = at[0] + left * picture.width, at[1] + top * picture.height
    x1, y1 = x0 + width * picture.width, y0 + height * picture.height
    edge = max(3, round(min(width * picture.width, 160) / 40))
    pen.rounded_rectangle((x0, y0, x1, y1), 6, outline=colour, width=edge)
    return x0, y0


def _label(face: Found, names: Mapping[str, str]) -> str:
    if face.key is None:
        return "not found"
    name = names.get(face.key, face.key)
    return f"{name}  {face.similarity:.2f}" if face.similarity else name


def _colour(face: Found, result: Result) -> str:
    if face.key is None:
        return _WRONG if result.expected else _STRANGER
    if not face.similarity:
        return _INDEXED
    return _RIGHT if result.expected in (None, face.key) else _WRONG


def _scaled(picture: Picture, width: int, height: int) -> Picture:
    ratio = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    return picture.resize(size, Image.Resampling.LANCZOS)
