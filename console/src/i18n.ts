import { signal } from "@preact/signals";
import { read, write } from "./kept";
import messages from "./messages.json";

export const LANGUAGES = {
  en: "English",
  de: "Deutsch",
  es: "Español",
  fr: "Français",
  ja: "日本語",
  zh: "中文",
} as const;
export type Language = keyof typeof LANGUAGES;
export type Message = keyof typeof messages;

/** The language that the reader chose, or else the first of the browser's that the console has. */
export const language = signal<Language>(chosen());

function chosen(): Language {
  const wanted = [read("facedex-language") ?? "", ...navigator.languages];
  for (const each of wanted) {
    const [code = ""] = each.split("-");
    if (code in LANGUAGES) return code as Language;
  }
  return "en";
}

export function choose(code: Language): void {
  language.value = code;
  write("facedex-language", code);
}

/** Return a message in the reader's language, with the values of its {placeholders}. */
export function t(key: Message, values: Record<string, string | number> = {}): string {
  return messages[key][language.value].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? number(value) : value;
  });
}

/** Return the language as the browser's owner writes numbers and dates in it: en-GB, de-CH, es-MX. */
const locale = (): string =>
  navigator.languages.find((each) => each.split("-")[0] === language.value) ?? language.value;

export const number = (value: number, options: Intl.NumberFormatOptions = {}): string =>
  new Intl.NumberFormat(locale(), options).format(value);

/** Return a value of 0 to 100 as a percentage: 98.5%, 98,5 %. */
export const percent = (value = 0): string =>
  number(value / 100, { style: "percent", maximumFractionDigits: 1 });

export const time = (value: Date): string =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(value);

/** Return the time of day of a moment in seconds since 1970. */
export const clock = (seconds: number): string =>
  new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(seconds * 1000);
