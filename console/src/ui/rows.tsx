import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

interface Props {
  label: string;
  count: number;
  /** Height of each row in pixels. */
  height: number;
  row: (index: number) => ComponentChildren;
  /** Called when the rows near the end are shown. */
  onEnd?: () => void;
}

/** A list of any length: only the rows in view are in the document. */
export function Rows({ label, count, height, row, onEnd }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [, redraw] = useState(0);
  const virtualizer = useMemo(
    () =>
      new Virtualizer<HTMLDivElement, HTMLDivElement>({
        count,
        getScrollElement: () => box.current,
        estimateSize: () => height,
        overscan: 8,
        scrollToFn: elementScroll,
        observeElementRect,
        observeElementOffset,
        onChange: () => redraw((n) => n + 1),
      }),
    [],
  );
  virtualizer.setOptions({ ...virtualizer.options, count, estimateSize: () => height });
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  const shown = virtualizer.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= count - 50) onEnd?.();
  }, [last, count]);
  return (
    <div
      ref={box}
      class="rows"
      role="list"
      aria-label={label}
      tabIndex={0}
      // As high as its rows, up to the height of the style sheet.
      style={{ height: `${count * height + 2}px` }}
    >
      <div class="all" style={{ height: `${virtualizer.getTotalSize()}px` }}>
        {shown.map(({ index, start }) => (
          <div
            key={index}
            role="listitem"
            aria-setsize={count}
            aria-posinset={index + 1}
            class="rows-row"
            style={{ transform: `translateY(${start}px)`, height: `${height}px` }}
          >
            {row(index)}
          </div>
        ))}
      </div>
    </div>
  );
}
