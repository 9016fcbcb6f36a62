import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { call } from "../../api/operations";
import { t } from "../../i18n";
import { Confirm } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { useFetched } from "../../ui/fetched";
import { Problem } from "../../ui/problem";

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
  const [problem, fail] = useState<unknown>();
  const [removing, setRemoving] = useState<string>();
  const changed = () => {
    fail(undefined);
    refresh();
  };
  const add = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    const tags = { [String(data.get("key"))]: String(data.get("value")) };
    try {
      await call("TagResource", { ResourceArn: arn, Tags: tags });
      changed();
      form.reset();
    } catch (refused) {
      fail(refused);
    }
  };
  return (
    <section>
      <h2>{t("settings.tags")}</h2>
      <Problem error={problem ?? error} />
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
        <button type="submit">{t("settings.tag")}</button>
      </form>
      {removing !== undefined && (
        <Confirm
          title={t("settings.untag", { key: removing })}
          action={t("settings.untagShort")}
          work={() => call("UntagResource", { ResourceArn: arn, TagKeys: [removing] })}
          onClose={(removed) => {
            setRemoving(undefined);
            if (removed) changed();
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
  const [error, fail] = useState<unknown>();
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    try {
      await call("DeleteCollection", { CollectionId: id });
      go("/");
    } catch (problem) {
      fail(problem);
    }
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
        <button type="submit" class="danger" disabled={typed !== id}>
          {t("settings.delete")}
        </button>
      </form>
    </Dialog>
  );
}
