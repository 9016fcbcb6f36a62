/**
 * Keep the focus in the page when what has it disappears, as a row that is deleted: it goes to the
 * nearest place around it that can have it. Else a keyboard would begin at the top of the page.
 */
export function keepFocus(root: HTMLElement): void {
  let around: HTMLElement[] = [];
  root.addEventListener("focusin", ({ target }) => {
    around = [];
    for (let each = target as HTMLElement | null; each; each = each.parentElement) {
      around.push(each);
    }
  });
  root.addEventListener("focusout", () =>
    queueMicrotask(() => {
      // The reader has pressed beside everything, and nothing is to have the focus.
      if (around[0]?.isConnected && document.activeElement === document.body) around = [];
    }),
  );
  new MutationObserver(() => {
    const [last] = around;
    if (!last || last.isConnected || document.activeElement !== document.body) return;
    const place = around.find((each) => each.isConnected && each.hasAttribute("tabindex"));
    place?.focus({ preventScroll: true });
  }).observe(root, { childList: true, subtree: true });
}
