/**
 * Short texts by name, which the browser keeps over a reload. If it blocks site data, where even
 * naming `localStorage` raises an error, or has no room, they are kept for this page only.
 */
const here = new Map<string, string>();

export function read(name: string): string | null {
  try {
    return here.get(name) ?? localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function write(name: string, text: string): void {
  try {
    localStorage.setItem(name, text);
    here.delete(name);
  } catch {
    here.set(name, text);
  }
}

export function remove(name: string): void {
  here.delete(name);
  try {
    localStorage.removeItem(name);
  } catch {
    // The browser has kept nothing.
  }
}
