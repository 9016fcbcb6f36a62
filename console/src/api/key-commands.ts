import { config } from "../config";

const ACTIONS = {
  create: { Action: "create", Name: "office" },
  createReader: { Action: "create", Name: "front door", ReadOnly: true },
  list: { Action: "list" },
  disable: { Action: "disable", AccessKeyId: "ACCESS_KEY_ID" },
  delete: { Action: "delete", AccessKeyId: "ACCESS_KEY_ID" },
} as const;
type Action = keyof typeof ACTIONS;

const LOCAL: Record<Action, string> = {
  create: "facedex keys create --name office",
  createReader: 'facedex keys create --name "front door" --read-only',
  list: "facedex keys list",
  disable: "facedex keys disable ACCESS_KEY_ID",
  delete: "facedex keys delete ACCESS_KEY_ID",
};

/** Return the commands that manage access keys: of one machine, or of a deployment. */
export function keyCommands(...actions: Action[]): string {
  const { machine, stack } = config();
  if (machine) return actions.map((action) => LOCAL[action]).join("\n");
  return actions
    .map(
      (action) => `aws lambda invoke --function-name ${stack}-access_keys \\
    --cli-binary-format raw-in-base64-out --payload '${JSON.stringify(ACTIONS[action])}' /dev/stdout`,
    )
    .join("\n");
}
