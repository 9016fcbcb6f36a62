import { jobs, noteJob, RUNNING } from "../api/jobs";
import { keyCommands } from "../api/key-commands";
import { call } from "../api/operations";
import { key, signOut } from "../api/session";
import { config, endpoint } from "../config";
import { t } from "../i18n";
import { useFetched } from "../ui/fetched";
import { PickLanguage } from "../ui/pick-language";
import { Problem } from "../ui/problem";

/** The access key of this tab, the jobs that it has started, the language and the server. */
export default function Settings() {
  const { auth, machine, region, version } = config();
  // A deployment has keys of its own with one kind of authentication only.
  const commands = machine || auth === "keys";
  return (
    <>
      <h1>{t("nav.settings")}</h1>
      <section>
        <h2>{t("keys.title")}</h2>
        {auth === "none" && <p>{t(machine ? "keys.none" : "keys.noneDeployed")}</p>}
        {key.value && (
          <div class="row">
            <p>{t("keys.signedIn", { id: key.value.accessKeyId })}</p>
            <button class="secondary" onClick={signOut}>
              {t("keys.signOut")}
            </button>
          </div>
        )}
        {commands && (
          <>
            <p>{t("keys.how")}</p>
            <pre tabIndex={0}>
              <code>{keyCommands("create", "createReader", "list", "disable", "delete")}</code>
            </pre>
          </>
        )}
      </section>
      {machine && <Jobs />}
      <section>
        <h2>{t("footer.language")}</h2>
        <PickLanguage />
      </section>
      <section>
        <h2>{t("server.title")}</h2>
        <dl class="facts">
          <div>
            <dt>{t("server.address")}</dt>
            <dd>{endpoint()}</dd>
          </div>
          <div>
            <dt>{t("server.region")}</dt>
            <dd>{region}</dd>
          </div>
          <div>
            <dt>{t("server.version")}</dt>
            <dd>
              {version} · <a href="licences.txt">{t("footer.licences")}</a>
            </dd>
          </div>
        </dl>
      </section>
    </>
  );
}

/** The searches of films that this tab has started. */
function Jobs() {
  // A search goes on when the page of films is left, which then hears no more of it.
  const { error } = useFetched(
    async (signal) => {
      for (const job of jobs.peek().filter(({ status }) => status === RUNNING)) {
        const { JobStatus = "" } = await call(
          "GetFaceSearch",
          { JobId: job.id, MaxResults: 1 },
          { signal, quiet: true },
        );
        if (JobStatus !== RUNNING) noteJob({ ...job, status: JobStatus });
      }
    },
    { every: 2 },
  );
  return (
    <section>
      <h2>{t("jobs.title")}</h2>
      <Problem error={error} />
      {!jobs.value.length && <p>{t("jobs.none")}</p>}
      <ul class="results">
        {jobs.value.map(({ id, film, collection, status }) => (
          <li key={id} class={status === "SUCCEEDED" ? "good" : status === "FAILED" ? "bad" : ""}>
            <div>
              <strong>
                <bdi>{film}</bdi> · {collection} · {status}
              </strong>
              <small>{id}</small>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
