import { signal } from "@preact/signals";
import { whenSignedOut } from "./session";

/** A request that this page has sent, for "The same call". */
export interface Call {
  operation: string;
  input: Record<string, unknown>;
}

/** The page's latest calls, the latest first, one of each operation. */
export const calls = signal<readonly Call[]>([]);

const MOST = 8;

export function note(operation: string, input: object): void {
  const others = calls.peek().filter((each) => each.operation !== operation);
  calls.value = [{ operation, input: outline(input) }, ...others].slice(0, MOST);
}

/** Forget the calls of the page that is left. */
export function forget(): void {
  calls.value = [];
}

whenSignedOut(forget);

/** A stand-in for an image's bytes: the photo itself is not kept. */
export class Photo {}

/** Return the input without undefined members, and with a Photo in place of each image's bytes. */
function outline(input: object): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue;
    kept[name] =
      value instanceof Uint8Array
        ? new Photo()
        : value !== null && typeof value === "object" && !Array.isArray(value)
          ? outline(value)
          : value;
  }
  return kept;
}
