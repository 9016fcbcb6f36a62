import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { call } from "../../api/operations";
import { forget } from "../../faces/thumbnails";
import { t } from "../../i18n";
import { Confirm } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { useFetched } from "../../ui/fetched";
import { Problem } from "../../ui/problem";
import { empty, fieldsOf, useWork } from "../../ui/work";
import { forgetResults } from "./enrol";

/** The collection's tags, and its deletion. */
export function Settings({ id, arn }: { id: string; arn: string }) {
  const [deleting, setDeleting] = useState(false);
  return (
    <>
      <Tags arn={arn} />
      <section>
        <h2>{t("settings.delete")}</h2>
        <p>{t("settings.deleteWhat")}</p>
        <button class="danger" onClick={() => setDeleting(true)}>
          {t("settings.delete")}
        </button>
      </section>
      {deleting && <Delete id={id} onClose={() => setDeleting(false)} />}
    </>
  );
}

function Tags({ arn }: { arn: string }) {
  const { value, error, refresh } = useFetched(async (signal, first) => {
    const { Tags } = await call(
      "ListTagsForResource",
      { ResourceArn: arn },
      { signal, quiet: !first },
    );
    return Object.entries(Tags ?? {}).sort();
  });
  const { busy, error: refused, run } = useWork();
  const [removing, setRemoving] = useState<string>();
  const add = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const fields = fieldsOf(form);
    const { key = "", value = "" } = fields;
    void run(async () => {
      await call("TagResource", { ResourceArn: arn, Tags: { [key]: value } });
      refresh();
      empty(form, fields);
    });
  };
  return (
    <section>
      <h2>{t("settings.tags")}</h2>
      <Problem error={refused ?? error} />
      <dl class="facts">
        {(value ?? []).map(([key, text]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>
              {text}{" "}
              <button
                class="outline"
                aria-label={t("settings.untag", { key })}
                onClick={() => setRemoving(key)}
              >
                ✕
              </button>
            </dd>
          </div>
        ))}
      </dl>
      <form class="row" onSubmit={add}>
        <input
          name="key"
          required
          maxLength={128}
          placeholder={t("settings.key")}
          aria-label={t("settings.key")}
        />
        <input
          name="value"
          maxLength={256}
          placeholder={t("settings.value")}
          aria-label={t("settings.value")}
        />
        <button type="submit" aria-busy={busy}>
          {t("settings.tag")}
        </button>
      </form>
      {removing !== undefined && (
        <Confirm
          title={t("settings.untag", { key: removing })}
          action={t("settings.untagShort")}
          work={() => call("UntagResource", { ResourceArn: arn, TagKeys: [removing] })}
          onClose={(removed) => {
            setRemoving(undefined);
            if (removed) refresh();
          }}
        >
          {t("settings.untagSure", { key: removing })}
        </Confirm>
      )}
    </section>
  );
}

function Delete({ id, onClose }: { id: string; onClose: () => void }) {
  const [, go] = useLocation();
  const [typed, setTyped] = useState("");
  const { busy, error, run } = useWork();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void run(async () => {
      await call("DeleteCollection", { CollectionId: id });
      forget(id);
      forgetResults(id);
      go("/");
    });
  };
  return (
    <Dialog title={t("settings.delete")} onClose={onClose}>
      <form onSubmit={submit}>
        <label>
          {t("settings.typeName", { name: id })}
          <input
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
            autocomplete="off"
            autofocus
          />
        </label>
        <Problem error={error} />
        <button type="submit" class="danger" aria-busy={busy} disabled={typed !== id}>
          {t("settings.delete")}
        </button>
      </form>
    </Dialog>
  );
}
