import { useRef } from "preact/hooks";

/**
 * Return a function that passes on what some work results in, unless it has been called again by
 * then: a photo that is quickly read is not replaced by an earlier one that takes longer.
 */
export function useLatest() {
  const newest = useRef<unknown>();
  return <T>(
    work: Promise<T>,
    onDone: (result: T) => void,
    onError: (problem: unknown) => void,
  ): void => {
    newest.current = work;
    work.then(
      (result) => newest.current === work && onDone(result),
      (problem: unknown) => newest.current === work && onError(problem),
    );
  };
}
