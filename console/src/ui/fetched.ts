import { useEffect, useState } from "preact/hooks";

export interface Fetched<T> {
  value: T | undefined;
  error: unknown;
  /** Fetch again. The old value is shown meanwhile. */
  refresh: () => void;
}

/** Fetch a value when the component is first shown, and again after `refresh` or every few seconds. */
export function useFetched<T>(
  fetch: (signal: AbortSignal, first: boolean) => Promise<T>,
  { every }: { every?: number } = {},
): Fetched<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<unknown>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const run = async (first: boolean) => {
      try {
        const fetched = await fetch(ended.signal, first);
        if (ended.signal.aborted) return;
        setValue(() => fetched);
        setError(undefined);
      } catch (problem) {
        if (ended.signal.aborted) return;
        setError(problem);
      }
      if (every) timer = setTimeout(() => void run(false), every * 1000);
    };
    void run(round === 0);
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [round]);
  return { value, error, refresh: () => setRound((n) => n + 1) };
}
