import { useEffect, useState } from "preact/hooks";
import { call } from "../../api/operations";
import { number, t, type Message } from "../../i18n";
import { useFetched } from "../../ui/fetched";
import { remember } from "../../ui/pick-collection";
import { Problem } from "../../ui/problem";
import { Enrol, resultsOf } from "./enrol";
import { Faces } from "./faces";
import { Settings } from "./settings";
import { Users } from "./users";

const TABS = {
  faces: "collection.faces",
  users: "collection.users",
  enrol: "collection.enrol",
  settings: "collection.settings",
} as const satisfies Record<string, Message>;
type Tab = keyof typeof TABS;

/** One collection: its faces and users, photos to add, tags and deletion. */
export default function Collection({ id }: { id: string }) {
  const [tab, setTab] = useState<Tab>("faces");
  const [adding, setAdding] = useState(resultsOf(id) !== undefined);
  const show = (chosen: Tab) => {
    setTab(chosen);
    if (chosen === "enrol") setAdding(true);
  };
  const [user, setUser] = useState<string>();
  const [added, setAdded] = useState(0);
  const { value, error, refresh } = useFetched((signal, first) =>
    call("DescribeCollection", { CollectionId: id }, { signal, quiet: !first }),
  );
  // The pages that search begin with the collection that was looked at last.
  useEffect(() => remember(id), [id]);
  const missing = (error as Error | undefined)?.name === "ResourceNotFoundException";
  const showFacesOf = (userId: string | undefined) => {
    setUser(userId);
    show("faces");
  };
  return (
    <>
      <h1>{id}</h1>
      <Problem error={error} />
      {value && (
        <p>
          {t("collection.summary", {
            faces: number(value.FaceCount ?? 0),
            users: number(value.UserCount ?? 0),
            version: value.FaceModelVersion ?? "",
          })}
        </p>
      )}
      {/* They would move if they were shown before what is above them. */}
      {!value && !error && <p aria-busy="true" />}
      <div role="tablist" class="tabs" hidden={!value && !error}>
        {(Object.keys(TABS) as Tab[]).map((each) => (
          <button
            key={each}
            role="tab"
            id={`tab-${each}`}
            aria-selected={each === tab}
            aria-controls="panel"
            tabIndex={each === tab ? 0 : -1}
            onClick={() => show(each)}
            onKeyDown={(event) => step(event, each, show)}
          >
            {t(TABS[each])}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="panel" aria-labelledby={`tab-${tab}`}>
        {tab === "faces" && (value || error) && !missing && (
          <Faces
            key={user}
            id={id}
            user={user}
            added={added}
            onUser={showFacesOf}
            onChange={refresh}
            onEnrol={() => show("enrol")}
          />
        )}
        {tab === "users" && <Users id={id} onFaces={showFacesOf} onChange={refresh} />}
        {/* It stays while another tab is shown: photos may still be on their way. */}
        {adding && (
          <div hidden={tab !== "enrol"}>
            <Enrol
              id={id}
              onChange={() => {
                refresh();
                setAdded((n) => n + 1);
              }}
            />
          </div>
        )}
        {tab === "settings" && value && <Settings id={id} arn={value.CollectionARN ?? ""} />}
      </div>
    </>
  );
}

/** Move between tabs by the arrow keys, as the ARIA pattern of tabs describes. */
function step(event: KeyboardEvent, tab: Tab, show: (tab: Tab) => void): void {
  const all = Object.keys(TABS) as Tab[];
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const next = all[(all.indexOf(tab) + by + all.length) % all.length]!;
  show(next);
  document.getElementById(`tab-${next}`)?.focus();
}
