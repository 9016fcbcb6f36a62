import { useRef, useState } from "preact/hooks";

export interface Work {
  busy: boolean;
  /** Why the work failed, until it is begun again. */
  error: unknown;
  /** Do something, unless the work before is still under way: an impatient reader asks twice. */
  run: (work: () => Promise<unknown>) => Promise<void>;
}

/** Return what a form or a button does: one thing at a time, whether it lasts, and how it failed. */
export function useWork(): Work {
  const [busy, setBusy] = useState(false);
  const [error, fail] = useState<unknown>();
  // Two presses may come before the page is drawn again.
  const under = useRef(false);
  const run = async (work: () => Promise<unknown>) => {
    if (under.current) return;
    under.current = true;
    setBusy(true);
    fail(undefined);
    try {
      await work();
    } catch (problem) {
      fail(problem);
    } finally {
      under.current = false;
      setBusy(false);
    }
  };
  return { busy, error, run };
}

/** Return a form's fields by their names. */
export const fieldsOf = (form: HTMLFormElement): Record<string, string> =>
  Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));

/** Empty a form that was sent, unless the reader has meanwhile typed what comes next. */
export function empty(form: HTMLFormElement, sent: Record<string, string>): void {
  if (JSON.stringify(fieldsOf(form)) === JSON.stringify(sent)) form.reset();
}
