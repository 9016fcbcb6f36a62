import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { failures } from "../api/errors";
import { explain } from "../api/explain";
import { call, pages } from "../api/operations";
import { config } from "../config";
import { number, t, time } from "../i18n";
import { Dialog } from "../ui/dialog";
import { useFetched } from "../ui/fetched";
import { later } from "../ui/later";
import { Problem } from "../ui/problem";
import { fieldsOf, useWork } from "../ui/work";
import { Licences } from "./overview-licences";

// Its charts are not needed for the first picture of the page.
const Machine = later(() => import("./overview-machine"));

interface Row {
  id: string;
  faces: number;
  users: number;
  version: string;
  created: Date | undefined;
}

/** Describing more collections than these would be as many requests; their rows stay short. */
const DESCRIBED = 50;

/** The collections of this server, and how the machine does. */
export function Overview() {
  const { value: rows, error, refresh } = useFetched(list, { every: 10 });
  const [creating, setCreating] = useState(false);
  return (
    <>
      <div class="row between">
        <h1>{t("overview.title")}</h1>
        <button onClick={() => setCreating(true)}>{t("overview.create")}</button>
      </div>
      <Problem error={error} />
      {rows ? <Collections rows={rows} /> : !error && <p aria-busy="true" />}
      {/* Below the collections, whose height is not known before. */}
      {(rows || error) && (config().machine ? <Machine /> : <Deployment />)}
      <Failures />
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

/** Where a deployment's numbers are, and the licences of its model packs. */
function Deployment() {
  const { packs = {}, stack = "" } = config();
  const unversioned = Object.fromEntries(Object.keys(packs).map((name) => [name, ""]));
  return (
    <section>
      <h2>{t("deployment.title", { stack })}</h2>
      <p>{t("deployment.numbers")}</p>
      <Licences packs={unversioned} />
    </section>
  );
}

/** The requests of this tab that were refused, on any page. */
function Failures() {
  if (!failures.value.length) return null;
  return (
    <section>
      <h2>{t("errors.title")}</h2>
      <ul class="results">
        {failures.value.map(({ time: when, operation, error }, n) => (
          <li key={failures.value.length - n} class="bad">
            <div>
              <strong>{explain(error)}</strong>
              <small>
                {operation} · {time(when)}
              </small>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

async function list(signal: AbortSignal, first: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const page of pages("ListCollections", {}, { signal, quiet: !first })) {
    page.CollectionIds?.forEach((id, index) =>
      rows.push({
        id,
        faces: Number.NaN,
        users: Number.NaN,
        version: page.FaceModelVersions?.[index] ?? "",
        created: undefined,
      }),
    );
  }
  const described = await Promise.all(rows.slice(0, DESCRIBED).map((row) => describe(row, signal)));
  return [...described.flatMap((row) => row ?? []), ...rows.slice(DESCRIBED)];
}

const GONE = "ResourceNotFoundException";

/** Return a row with its numbers, or undefined if the collection was deleted after it was listed. */
async function describe(row: Row, signal: AbortSignal): Promise<Row | undefined> {
  try {
    const found = await call(
      "DescribeCollection",
      { CollectionId: row.id },
      { signal, quiet: true, handles: GONE },
    );
    return {
      ...row,
      faces: found.FaceCount ?? 0,
      users: found.UserCount ?? 0,
      created: found.CreationTimestamp,
    };
  } catch (error) {
    if (error instanceof Error && error.name === GONE) return undefined;
    throw error;
  }
}

/** Faces of each collection when the page was opened, for their growth since. */
const before = new Map<string, number>();

/** Return the growth of a collection since the page was opened, as text. */
function growth({ id, faces }: Row): string {
  if (Number.isNaN(faces)) return "";
  if (!before.has(id)) before.set(id, faces);
  const more = faces - before.get(id)!;
  return more ? ` (${number(more, { signDisplay: "always" })})` : "";
}

function Collections({ rows }: { rows: Row[] }) {
  if (!rows.length) {
    return (
      <section class="empty">
        <h2>{t("overview.empty.title")}</h2>
        <p>{t("overview.empty.how")}</p>
      </section>
    );
  }
  const count = (value: number) => (Number.isNaN(value) ? "" : number(value));
  return (
    <div class="scroll" role="region" aria-label={t("overview.title")} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("collection.name")}</th>
            <th scope="col" class="number">
              {t("collection.faces")}
            </th>
            <th scope="col" class="number">
              {t("collection.users")}
            </th>
            <th scope="col">{t("collection.model")}</th>
            <th scope="col">{t("collection.created")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <th scope="row">
                <Link href={`/collections/${encodeURIComponent(row.id)}`}>{row.id}</Link>
              </th>
              <td class="number">
                {count(row.faces)}
                <small>{growth(row)}</small>
              </td>
              <td class="number">{count(row.users)}</td>
              <td>{row.version}</td>
              <td>{row.created && time(row.created)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Create({ onClose }: { onClose: (created: boolean) => void }) {
  const { busy, error, run } = useWork();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const { id } = fieldsOf(event.currentTarget as HTMLFormElement);
    void run(async () => {
      await call("CreateCollection", { CollectionId: id });
      onClose(true);
    });
  };
  return (
    <Dialog title={t("overview.create")} onClose={() => onClose(false)}>
      <form onSubmit={submit}>
        <label>
          {t("collection.name")}
          <input
            name="id"
            required
            maxLength={255}
            pattern="[a-zA-Z0-9_.\-]+"
            title={t("collection.nameRule")}
            autofocus
          />
          <small>{t("collection.nameRule")}</small>
        </label>
        <Problem error={error} />
        <button type="submit" aria-busy={busy}>
          {t("overview.create")}
        </button>
      </form>
    </Dialog>
  );
}
