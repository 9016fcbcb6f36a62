import { useRef, useState } from "preact/hooks";
import { calls } from "../api/calls";
import { LANGUAGES, snippet, type Language } from "../api/snippets";
import { t } from "../i18n";
import { copy, select } from "./copy";

/** The page's latest requests as programs: the same call in aws, boto3 and JavaScript. */
export function Calls() {
  const [language, choose] = useState<Language>("aws");
  const [operation, pick] = useState("");
  const [copied, setCopied] = useState(false);
  const code = useRef<HTMLElement>(null);
  const [latest] = calls.value;
  if (!latest) return null;
  const shown = calls.value.find((call) => call.operation === operation) ?? latest;
  const text = snippet(shown, language);
  return (
    <details class="calls">
      <summary>
        <span>{t("calls.title")}</span>
      </summary>
      <div class="sheet">
        <div class="row">
          <select
            aria-label={t("calls.operation")}
            value={shown.operation}
            onChange={(event) => pick(event.currentTarget.value)}
          >
            {calls.value.map((call) => (
              <option key={call.operation}>{call.operation}</option>
            ))}
          </select>
          <div role="group">
            {LANGUAGES.map((each) => (
              <button
                key={each}
                class="secondary"
                aria-pressed={each === language}
                onClick={() => choose(each)}
              >
                {each}
              </button>
            ))}
          </div>
          <button
            class="outline"
            onClick={async () => {
              if (await copy(text)) setCopied(true);
              else select(code.current);
            }}
            onBlur={() => setCopied(false)}
          >
            {t(copied ? "calls.copied" : "calls.copy")}
          </button>
        </div>
        <pre tabIndex={0}>
          <code ref={code}>{text}</code>
        </pre>
      </div>
    </details>
  );
}
