import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { pages } from "../../api/operations";
import { config } from "../../config";
import { t } from "../../i18n";
import { useFetched } from "../../ui/fetched";
import { Problem } from "../../ui/problem";
import { Create } from "./create";
import { Status } from "./status";

/** The cameras: stream processors, which search a collection in live video. */
export default function Cameras() {
  const {
    value: rows,
    error,
    refresh,
  } = useFetched(
    async (signal, first) => {
      const found: { name: string; status: string }[] = [];
      for await (const page of pages("ListStreamProcessors", {}, { signal, quiet: !first })) {
        for (const { Name = "", Status: status = "" } of page.StreamProcessors ?? []) {
          found.push({ name: Name, status });
        }
      }
      return found;
    },
    { every: 3 },
  );
  const [creating, setCreating] = useState(false);
  return (
    <>
      <div class="row between">
        <h1>{t("cameras.title")}</h1>
        {config().machine && (
          <button onClick={() => setCreating(true)}>{t("cameras.create")}</button>
        )}
      </div>
      <Problem error={error} />
      {!rows && !error && <p aria-busy="true" />}
      {rows?.length === 0 && (
        <section class="empty">
          <h2>{t("cameras.none")}</h2>
          <p>{t(config().machine ? "cameras.how" : "cameras.elsewhere")}</p>
        </section>
      )}
      <ul class="results">
        {rows?.map(({ name, status }) => (
          <li key={name}>
            <div class="grow">
              <strong>
                <Link href={`/cameras/${encodeURIComponent(name)}`}>{name}</Link>
              </strong>
            </div>
            <Status status={status} />
          </li>
        ))}
      </ul>
      {creating && (
        <Create
          onClose={(created) => {
            setCreating(false);
            if (created) refresh();
          }}
        />
      )}
    </>
  );
}
