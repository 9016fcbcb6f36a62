/**
 * Copy a text; return whether the browser did. The page must be secure for it, as by HTTPS or from
 * the machine itself, and the user may have forbidden it.
 */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Select an element's text, to be copied by the keyboard. */
export function select(element: Element | null): void {
  if (element) getSelection()?.selectAllChildren(element);
}
