import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "./dialog";
import { Problem } from "./problem";

interface Props {
  title: string;
  /** The words of the button that deletes. */
  action: string;
  work: () => Promise<unknown>;
  onClose: (done: boolean) => void;
  /** The question. */
  children: ComponentChildren;
}

/** Ask before something is deleted for good. */
export function Confirm({ title, action, work, onClose, children }: Props) {
  const [error, fail] = useState<unknown>();
  const confirm = async () => {
    try {
      await work();
      onClose(true);
    } catch (problem) {
      fail(problem);
    }
  };
  return (
    <Dialog title={title} onClose={() => onClose(false)}>
      <p>{children}</p>
      <Problem error={error} />
      <button class="danger" onClick={confirm}>
        {action}
      </button>
    </Dialog>
  );
}
