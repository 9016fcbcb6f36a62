import { signal } from "@preact/signals";
import { explain } from "./explain";
import { whenSignedOut } from "./session";

/** A request of this tab that was refused or got no answer. */
export interface Failure {
  time: Date;
  operation: string;
  error: unknown;
}

/** The latest failures, the newest first. */
export const failures = signal<readonly Failure[]>([]);

whenSignedOut(() => (failures.value = []));

const MOST = 20;

/**
 * Note a failure, unless the page has ended the request itself, and raise it again. A failure that
 * repeats the newest replaces it: pages that poll would fill the list.
 */
export function failed(operation: string, error: unknown): never {
  if (!(error instanceof Error && error.name === "AbortError")) {
    const before = failures.peek();
    const again = before[0]?.operation === operation && explain(before[0].error) === explain(error);
    const others = again ? before.slice(1) : before;
    failures.value = [{ time: new Date(), operation, error }, ...others].slice(0, MOST);
  }
  throw error;
}
