/** Letters in an ExternalImageId at most. */
const MOST = 255;

/**
 * Return an ExternalImageId that the API accepts for a name. It takes few characters: bytes of all
 * other letters are written as `facedex import` writes them, as :C3:AB for ë, so that different
 * names stay different, and spaces and other signs as _.
 */
export function idOf(name: string): string {
  let id = "";
  for (const letter of name.normalize("NFC").replace(/[^\w.\-:\u0080-\u{10ffff}]+/gu, "_")) {
    const written = letter > "\u007f" ? escaped(letter) : letter;
    if (id.length + written.length > MOST) break; // not within a letter
    id += written;
  }
  return id || "_";
}

const escaped = (letter: string): string =>
  Array.from(
    new TextEncoder().encode(letter),
    (byte) => `:${byte.toString(16).toUpperCase().padStart(2, "0")}`,
  ).join("");

/** Bytes of letters outside ASCII, as `idOf` and `facedex import` write them. */
const BYTES = /(?::[89A-F][0-9A-F])+/g;

/** Signs that end a line, or turn the order of what follows: a name could change the text beside it. */
const UNSEEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

/** Return an ExternalImageId or UserId as people write it. One that was not escaped is unchanged. */
export function readable(id: string): string {
  return id.replace(BYTES, (bytes) => {
    try {
      const letters = decodeURIComponent(bytes.replaceAll(":", "%"));
      return UNSEEN.test(letters) ? bytes : letters;
    } catch {
      return bytes;
    }
  });
}
