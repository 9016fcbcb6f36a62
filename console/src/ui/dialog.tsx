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
  const gone = useRef(false);
  useEffect(() => {
    const shown = dialog.current!;
    shown.showModal();
    return () => {
      gone.current = true;
      // The focus returns to where it was. It would be lost with a dialog that is only removed.
      shown.close();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={() => gone.current || onClose()}>
      <article>
        <header>
          <button
            type="button"
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
