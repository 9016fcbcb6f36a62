import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { load } from "./config";
import { language } from "./i18n";

const root = document.getElementById("console")!;
try {
  await load();
  effect(() => {
    document.documentElement.lang = language.value;
  });
  render(<App />, root);
} catch (error) {
  root.textContent = `The console cannot start: ${error instanceof Error ? error.message : error}`;
}
