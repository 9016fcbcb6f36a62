import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A modal dialog. The browser keeps the focus inside, and Escape closes it. */
export function Dialog({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <article>
        <header>
          <button
            class="close"
            aria-label={t("dialog.close")}
            onClick={() => dialog.current?.close()}
          >
            ✕
          </button>
          <strong>{title}</strong>
        </header>
        {children}
      </article>
    </dialog>
  );
}
