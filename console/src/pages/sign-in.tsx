import { useState } from "preact/hooks";
import { key, trial } from "../api/session";
import { t } from "../i18n";
import { Problem } from "../ui/problem";

/** Ask for an access key, and try it. It stays in this tab's memory and is used for signing. */
export function SignIn() {
  const [error, fail] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    fail(undefined);
    const given = {
      accessKeyId: String(form.get("id")).trim(),
      secretAccessKey: String(form.get("secret")).trim(),
    };
    try {
      await trial(given);
      // The pages are shown from now on, and this one is not.
      key.value = given;
    } catch (problem) {
      fail(problem);
      setBusy(false);
    }
  };
  return (
    <form class="narrow" onSubmit={submit}>
      <h1>{t("signIn.title")}</h1>
      <p>{t("signIn.why")}</p>
      <pre>
        <code>facedex keys create</code>
      </pre>
      <label>
        {t("signIn.id")}
        <input name="id" required pattern="\w+" autocomplete="off" spellcheck={false} autofocus />
      </label>
      <label>
        {t("signIn.secret")}
        <input name="secret" type="password" required autocomplete="off" />
      </label>
      <Problem error={error} />
      <button type="submit" aria-busy={busy} disabled={busy}>
        {t("signIn.submit")}
      </button>
    </form>
  );
}
