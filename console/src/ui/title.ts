import { useEffect } from "preact/hooks";

/** Name the page in the browser's tabs and history. */
export function useTitle(name: string): void {
  useEffect(() => {
    document.title = `${name} · Facedex`;
  }, [name]);
}
