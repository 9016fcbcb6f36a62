import { useLayoutEffect } from "preact/hooks";
import { Link } from "wouter-preact";
import { pages } from "../api/operations";
import { t } from "../i18n";
import { useFetched } from "./fetched";
import { Problem } from "./problem";

interface Props {
  value: string;
  onChange: (collection: string) => void;
}

/** The collection that was picked last in this tab, on any page. */
let last = "";
export const lastCollection = (): string => last;
export const remember = (collection: string): void => void (last = collection);

/** A choice among the collections. The first is chosen if none is. */
export function PickCollection({ value, onChange }: Props) {
  const { value: ids, error } = useFetched(async (signal) => {
    const found: string[] = [];
    for await (const page of pages("ListCollections", {}, { signal, quiet: true })) {
      found.push(...(page.CollectionIds ?? []));
    }
    return found;
  });
  const pick = (id: string) => {
    remember(id);
    onChange(id);
  };
  // Before the reader can choose another.
  useLayoutEffect(() => {
    const [first] = ids ?? [];
    if (first && !ids?.includes(value)) pick(first);
  }, [ids]);
  if (ids?.length === 0) {
    return (
      <p class="empty">
        <Link href="/">{t("pick.none")}</Link>
      </p>
    );
  }
  return (
    <>
      <Problem error={error} />
      <label>
        {t("pick.label")}
        <select value={value} onChange={(event) => pick(event.currentTarget.value)}>
          {(ids ?? [value]).map((id) => (
            <option key={id}>{id}</option>
          ))}
        </select>
      </label>
    </>
  );
}
