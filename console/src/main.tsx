import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { load } from "./config";
import { language } from "./i18n";
import { ignoreStrayFiles } from "./ui/drop";
import { keepFocus } from "./ui/focus";

const root = document.getElementById("console")!;
try {
  await load();
  effect(() => {
    document.documentElement.lang = language.value;
  });
  render(<App />, root);
  keepFocus(root);
  ignoreStrayFiles();
} catch (error) {
  root.textContent = `The console cannot start: ${error instanceof Error ? error.message : error}`;
}
