"""Finding of the original photo of a stored image."""

from __future__ import annotations

from uuid import UUID

import pytest

from facedex.store.upgrades import StoredImage
from facedex_cli.importing.photos import Photo
from facedex_cli.upgrading.originals import AMBIGUOUS, NO_ORIGINAL, Originals


def photo(relative: str) -> Photo:
    return Photo(f"/photos/{relative}", relative, "1", 100)


def image(number: int, external: str | None, *, pending: bool = True) -> StoredImage:
    return StoredImage(UUID(int=number), bytes([number]), external, pending)


@pytest.mark.parametrize(
    ("relative", "external"),
    [
        ("staff/Zoë Lee.jpg", "Zo:C3:AB:20Lee"),  # as named by facedex import: the stem
        ("staff/ann.jpg", "staff:2Fann.jpg"),  # the path
        ("ann/1.jpg", "ann"),  # the folder
        ("1.jpg", "photos"),  # the outermost folder
        ("staff/a-b_c.jpg", "a-b_c"),  # as named by an upload
        ("00000000-0000-0000-0000-000000000001.png", None),  # the ImageId
        ("deep/00000000-0000-0000-0000-000000000001.png", "else"),
    ],
)
def test_a_photo_is_found_by_every_name_that_the_product_gives(
    relative: str, external: str | None
) -> None:
    wanted = image(1, external)
    found, reasons = Originals([wanted]).of_names(
        [photo(relative), photo("b/other.jpg")], "photos", set()
    )
    assert found == [(photo(relative), [wanted])]
    assert reasons == {}


@pytest.mark.parametrize("thumbnail", ["@eaDir/ann.jpg", ".thumbnails/ann.jpg", ".ann.jpg"])
def test_thumbnails_do_not_take_the_names_of_their_photos(thumbnail: str) -> None:
    wanted = image(1, "ann")
    photos = [photo("ann.jpg"), photo(thumbnail)]
    found, _ = Originals([wanted]).of_names(photos, "photos", set())
    assert found == [(photo("ann.jpg"), [wanted])]
    assert Originals([wanted]).of_names(photos[1:], "photos", set())[0] == []


def test_a_name_counts_only_if_one_photo_and_one_image_have_it() -> None:
    images = [image(1, "ann"), image(2, "ann"), image(3, "ben"), image(4, "cy"), image(5, "done")]
    originals = Originals([*images, image(6, "ben", pending=False)])
    photos = [photo("ann.jpg"), photo("ben/1.jpg"), photo("ben/2.jpg")]
    found, reasons = originals.of_names(photos, "photos", {UUID(int=5)})
    assert found == []
    assert reasons == {
        UUID(int=1): AMBIGUOUS,
        UUID(int=2): AMBIGUOUS,
        UUID(int=3): AMBIGUOUS,
        UUID(int=4): NO_ORIGINAL,
    }
    # The bytes of one of the two identify the other.
    found, _ = originals.of_names(photos, "photos", {UUID(int=1)})
    assert found == [(photo("ann.jpg"), [images[1]])]


def test_the_same_bytes_may_be_several_images() -> None:
    one, two = (StoredImage(UUID(int=number), b"same", str(number), True) for number in (1, 2))
    originals = Originals([one, two])
    assert originals.of_bytes(b"same") == [one, two]
    assert originals.of_bytes(b"other") is None
