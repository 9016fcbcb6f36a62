import { explain } from "../api/explain";

/** An error as a sentence, announced by screen readers. */
export function Problem({ error }: { error: unknown }) {
  if (error === undefined || error === null) return null;
  return (
    <p role="alert" class="problem">
      {explain(error)}
    </p>
  );
}
