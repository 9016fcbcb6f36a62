import { choose, language, LANGUAGES, t, type Language } from "../i18n";

/** Choose the console's language. */
export function PickLanguage() {
  return (
    <select
      aria-label={t("footer.language")}
      value={language.value}
      onChange={(event) => choose(event.currentTarget.value as Language)}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code}>
          {name}
        </option>
      ))}
    </select>
  );
}
