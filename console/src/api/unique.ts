/**
 * Return a name that nothing else has. `crypto.randomUUID` would do it, but browsers lack it on
 * pages that came by plain HTTP from another machine.
 */
export function unique(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
