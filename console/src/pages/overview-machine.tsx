import { t } from "../i18n";
import { useFetched } from "../ui/fetched";
import { Problem } from "../ui/problem";

/** The state of the server's parts, as GET /health reports it. */
export function Machine() {
  const { value, error } = useFetched(health, { every: 5 });
  return (
    <section>
      <h2>{t("machine.title")}</h2>
      <Problem error={error} />
      {value && (
        <dl class="facts">
          {Object.entries(value).map(([part, state]) => (
            <div key={part}>
              <dt>{part}</dt>
              <dd>{state}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

async function health(signal: AbortSignal): Promise<Record<string, string>> {
  // 503 has a body too: it says which part is down.
  const answer = await fetch("/health", { signal });
  return (await answer.json()) as Record<string, string>;
}
