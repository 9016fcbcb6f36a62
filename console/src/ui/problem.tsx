import { explain } from "../api/explain";
import { t } from "../i18n";
import { Updated } from "./code";

/** An error as a sentence, announced by screen readers. */
export function Problem({ error }: { error: unknown }) {
  if (error === undefined || error === null) return null;
  return (
    <p role="alert" class="problem">
      {explain(error)}{" "}
      {error instanceof Updated && (
        <button class="outline" onClick={() => location.reload()}>
          {t("error.reload")}
        </button>
      )}
    </p>
  );
}
