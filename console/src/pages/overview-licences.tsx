import { config } from "../config";
import { t } from "../i18n";
import { Fact } from "../ui/fact";

/** The licences of model packs; their versions, by their names, are empty where not known. */
export function Licences({ packs }: { packs: Record<string, string> }) {
  return (
    <details>
      <summary>{t("machine.licences")}</summary>
      <dl class="facts">
        {Object.entries(packs).map(([name, version]) => (
          <Fact key={name} name={`${name} ${version}`} text={config().packs?.[name] ?? "–"} />
        ))}
      </dl>
    </details>
  );
}
