import { useState } from "preact/hooks";
import { call, pages } from "../../api/operations";
import { number, t } from "../../i18n";
import { Confirm } from "../../ui/confirm";
import { useFetched } from "../../ui/fetched";
import { Problem } from "../../ui/problem";
import { Rows } from "../../ui/rows";
import { empty, fieldsOf, useWork } from "../../ui/work";

interface Props {
  id: string;
  onFaces: (user: string) => void;
  onChange: () => void;
}

/** The users of a collection. */
export function Users({ id, onFaces, onChange }: Props) {
  const { value: users, error, refresh } = useFetched((signal, first) => list(id, signal, first));
  const [filter, setFilter] = useState("");
  const [deleting, setDeleting] = useState<string>();
  const { busy, error: refused, run } = useWork();
  const changed = () => {
    refresh();
    onChange();
  };
  const create = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const fields = fieldsOf(form);
    void run(async () => {
      await call("CreateUser", { CollectionId: id, UserId: fields["user"] });
      changed();
      empty(form, fields);
    });
  };
  const shown = (users ?? []).filter((each) =>
    each.user.toLowerCase().includes(filter.toLowerCase()),
  );
  return (
    <>
      <form class="row" onSubmit={create}>
        <input
          name="user"
          required
          maxLength={128}
          pattern="[a-zA-Z0-9_.\-:]+"
          title={t("users.nameRule")}
          aria-label={t("users.name")}
          placeholder={t("users.name")}
        />
        <button type="submit" aria-busy={busy}>
          {t("users.create")}
        </button>
      </form>
      <input
        type="search"
        aria-label={t("users.filter")}
        placeholder={t("users.filter")}
        value={filter}
        onInput={(event) => setFilter(event.currentTarget.value)}
      />
      <Problem error={refused ?? error} />
      {users?.length === 0 && <p class="empty">{t("users.none")}</p>}
      {users && users.length > 0 && (
        <>
          <p>{t("users.count", { n: number(shown.length) })}</p>
          <Rows
            label={t("collection.users")}
            count={shown.length}
            height={56}
            row={(n) => {
              const { user, status } = shown[n]!;
              return (
                <div class="face">
                  <strong class="grow" title={user}>
                    {user}
                  </strong>
                  <small>{status}</small>
                  <button class="outline" onClick={() => onFaces(user)}>
                    {t("users.faces")}
                  </button>
                  <button
                    class="secondary"
                    aria-label={t("users.delete", { user })}
                    onClick={() => setDeleting(user)}
                  >
                    {t("users.deleteShort")}
                  </button>
                </div>
              );
            }}
          />
        </>
      )}
      {deleting !== undefined && (
        <Confirm
          title={t("users.delete", { user: deleting })}
          action={t("users.deleteShort")}
          work={() => call("DeleteUser", { CollectionId: id, UserId: deleting })}
          onClose={(deleted) => {
            setDeleting(undefined);
            if (deleted) changed();
          }}
        >
          {t("users.deleteSure", { user: deleting })}
        </Confirm>
      )}
    </>
  );
}

async function list(id: string, signal: AbortSignal, first: boolean) {
  const users: { user: string; status: string }[] = [];
  for await (const page of pages(
    "ListUsers",
    { CollectionId: id, MaxResults: 500 },
    { signal, quiet: !first },
  )) {
    for (const each of page.Users ?? [])
      users.push({ user: each.UserId ?? "", status: each.UserStatus ?? "" });
  }
  return users;
}
