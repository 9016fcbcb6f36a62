import { useState } from "preact/hooks";
import { key, trial } from "../api/session";
import { keyCommands } from "../api/key-commands";
import { config } from "../config";
import { t } from "../i18n";
import { Problem } from "../ui/problem";
import { useTitle } from "../ui/title";

/**
 * Ask for an access key, and try it: of the product's own, or of AWS. It stays in this tab's memory
 * and is used for signing.
 */
export function SignIn() {
  const [error, fail] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  useTitle(t("signIn.title"));
  const byIam = config().auth === "iam";
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    fail(undefined);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const sessionToken = text("token");
    const given = {
      accessKeyId: text("id"),
      secretAccessKey: text("secret"),
      ...(sessionToken && { sessionToken }),
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
      <p>{t(byIam ? "signIn.whyIam" : "signIn.why")}</p>
      {!byIam && (
        <pre tabIndex={0}>
          <code>{keyCommands("create")}</code>
        </pre>
      )}
      <label>
        {t("signIn.id")}
        <input name="id" required pattern="\w+" autocomplete="off" spellcheck={false} autofocus />
      </label>
      <label>
        {t("signIn.secret")}
        <input name="secret" type="password" required autocomplete="off" />
      </label>
      {byIam && (
        <label>
          {t("signIn.token")}
          <input name="token" type="password" autocomplete="off" />
        </label>
      )}
      <Problem error={error} />
      <button type="submit" aria-busy={busy} disabled={busy}>
        {t("signIn.submit")}
      </button>
    </form>
  );
}
