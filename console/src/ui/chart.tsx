import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

interface Props {
  label: string;
  /** Without size and colours, which follow the page. Kept: a change of it draws nothing again. */
  options: Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  height?: number;
}

/** A chart as wide as its place. What it shows is also in the page as text. */
export function Chart({ label, options, data, height = 260 }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>();
  useEffect(() => {
    const place = box.current!;
    const style = getComputedStyle(place);
    const colour = style.color;
    const axes = (options.axes ?? [{}, {}]).map((axis) => ({
      stroke: colour,
      grid: { stroke: `color-mix(in srgb, ${colour} 15%, transparent)` },
      ticks: { stroke: colour },
      ...axis,
    }));
    // Room for half of the last label of the x axis.
    const padding: uPlot.Padding = [null, 28, null, null];
    const size = { width: place.clientWidth, height };
    const drawn = new uPlot({ padding, ...options, axes, ...size }, data, place);
    chart.current = drawn;
    const watcher = new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height }));
    watcher.observe(place);
    return () => {
      watcher.disconnect();
      drawn.destroy();
    };
  }, []);
  useEffect(() => chart.current?.setData(data), [data]);
  return (
    <div
      ref={box}
      role="img"
      aria-label={label}
      class="chart"
      style={{ minHeight: `${height}px` }}
    />
  );
}
