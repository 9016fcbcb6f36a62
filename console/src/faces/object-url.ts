import { useEffect, useState } from "preact/hooks";

/** Return an address of a photo for an img element, valid until the photo changes. */
export function useObjectUrl(photo: Uint8Array | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!photo) return;
    const made = URL.createObjectURL(new Blob([photo as BlobPart]));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [photo]);
  return url;
}
