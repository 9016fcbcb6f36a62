/** What the server says about itself, in config.json beside the page. */
export interface Config {
  /**
   * "none" if the server takes any credentials, "keys" if requests are signed with an access key of
   * the product's own, "iam" if they are signed with credentials of AWS.
   */
  auth: "none" | "keys" | "iam";
  region: string;
  version: string;
  /** Whether this server also has the parts of one machine: health, metrics, S3 and Kinesis. */
  machine: boolean;
  /** The deployment's name, and whether it searches stored video and live video. */
  stack?: string;
  video?: boolean;
  streams?: boolean;
  /** The licences of the model packs, by the packs' names. */
  packs?: Record<string, string>;
}

let loaded: Config | undefined;

/** Load the configuration. The page is first drawn afterwards. */
export async function load(): Promise<void> {
  const answer = await fetch("config.json");
  if (!answer.ok) throw new Error(`config.json: ${answer.status} ${answer.statusText}`);
  loaded = (await answer.json()) as Config;
}

export function config(): Config {
  if (!loaded) throw new Error("The configuration has not been loaded.");
  return loaded;
}

/** The API's address: the folder that the console is in. */
export function endpoint(): string {
  const { origin, pathname } = new URL("..", location.href);
  return pathname === "/" ? origin : origin + pathname;
}
