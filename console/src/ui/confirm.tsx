import type { ComponentChildren } from "preact";
import { Dialog } from "./dialog";
import { Problem } from "./problem";
import { useWork } from "./work";

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
  const { busy, error, run } = useWork();
  const confirm = () =>
    run(async () => {
      await work();
      onClose(true);
    });
  return (
    <Dialog title={title} onClose={() => onClose(false)}>
      <p>{children}</p>
      <Problem error={error} />
      <button class="danger" aria-busy={busy} onClick={confirm}>
        {action}
      </button>
    </Dialog>
  );
}
