/** What the server says about itself, in config.json beside the page. */
export interface Config {
  /** "none" if the server takes any credentials, "keys" if requests are signed with an access key. */
  auth: "none" | "keys";
  region: string;
  version: string;
  /** The API's address; the console's own origin if it is missing. */
  endpoint?: string;
  /** Whether this server also has the parts of one machine: health, metrics and S3. */
  machine: boolean;
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

export const endpoint = (): string => config().endpoint ?? location.origin;
