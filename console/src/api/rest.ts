import { SignatureV4 } from "@smithy/signature-v4";
import { config, endpoint } from "../config";
import { failed } from "./errors";
import { credentials, rekognition, signedService } from "./session";

interface Body {
  type: string;
  content: Uint8Array | string;
}

/**
 * Call a REST route of the API, for the extensions that Amazon's SDK does not know.
 *
 * Raises the API's errors with their code as the error's name, as the SDK does.
 */
export function rest<Answer>(
  method: string,
  path: string,
  query: Record<string, string>,
  body?: Body,
  signal?: AbortSignal,
): Promise<Answer> {
  const sent = send<Answer>(method, path, query, body, signal);
  return sent.catch((error: unknown) => failed(`${method} ${path}`, error));
}

async function send<Answer>(
  method: string,
  path: string,
  query: Record<string, string>,
  body: Body | undefined,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const url = place(path);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const content =
    typeof body?.content === "string" ? new TextEncoder().encode(body.content) : body?.content;
  const headers = await signed(method, url, query, body?.type, content);
  const answer = await fetch(url, {
    method,
    headers,
    ...(content && { body: new Blob([content as BlobPart]) }),
    ...(signal && { signal }),
  });
  const parsed = (await answer.json()) as Record<string, unknown>;
  if (!answer.ok) {
    const error = new Error(String(parsed["Message"] ?? answer.statusText));
    error.name = String(parsed["__type"] ?? answer.status);
    throw error;
  }
  return parsed as Answer;
}

/** Fetch what is no operation of the API, and needs a signature all the same. */
export async function fetchSigned(path: string, signal: AbortSignal): Promise<Response> {
  const url = place(path);
  return fetch(url, {
    headers: await signed("GET", url, {}, undefined, undefined, GATEWAY),
    signal,
  });
}

/** The service in signatures for HTTP APIs that are no service of AWS. */
const GATEWAY = "execute-api";

/** Return the address of a path that begins with a slash. */
const place = (path: string): URL => new URL(endpoint().replace(/\/$/, "") + path);

async function signed(
  method: string,
  url: URL,
  query: Record<string, string>,
  type: string | undefined,
  content: Uint8Array | undefined,
  service = signedService(),
): Promise<Record<string, string>> {
  const headers: Record<string, string> = type ? { "Content-Type": type } : {};
  if (config().auth === "none") return headers;
  const signer = new SignatureV4({
    credentials: credentials(),
    region: config().region,
    service,
    sha256: rekognition.value.config.sha256,
  });
  const { headers: all } = await signer.sign({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port && { port: Number(url.port) }),
    path: url.pathname,
    query,
    headers: { ...headers, host: url.host },
    body: content,
  });
  // The browser sends its own Host, which is the same.
  delete all["host"];
  return all;
}
