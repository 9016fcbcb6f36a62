import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { code } from "./code";
import { Problem } from "./problem";

/** Return a component whose code is loaded when it is first shown: the module's default export. */
export function later<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
): (props: Props & JSX.IntrinsicAttributes) => JSX.Element {
  let Loaded: ComponentType<Props> | undefined;
  return function Later(props: Props) {
    const [, redraw] = useState(0);
    const [error, fail] = useState<unknown>();
    useEffect(() => {
      if (Loaded) return;
      code(load).then((module) => {
        Loaded = module.default;
        redraw(1);
      }, fail);
    }, []);
    if (Loaded) return <Loaded {...props} />;
    return error ? <Problem error={error} /> : <p aria-busy="true" />;
  };
}
