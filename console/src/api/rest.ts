import { SignatureV4 } from "@smithy/signature-v4";
import { config, endpoint } from "../config";
import { failed } from "./errors";
import { credentials, rekognition, signedService } from "./session";

/** Raised for an answer of another form than the server's, in the shape of the SDK's error. */
class Foreign extends SyntaxError {
  readonly $response: { statusCode: number };
  constructor(statusCode: number) {
    super("The answer is no JSON.");
    this.$response = { statusCode };
  }
}

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
  const parsed = (await answer.json().catch((error: unknown) => {
    if (error instanceof SyntaxError) throw new Foreign(answer.status);
    throw error;
  })) as Record<string, unknown>;
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

/** Milliseconds after which a request that waits is signed again: signatures expire. */
const SIGNED_AGAIN = 120_000;

/**
 * Have something deleted if the tab is closed or reloaded before the returned function is called.
 *
 * A browser does not wait for a page that ends, so the request is signed beforehand.
 *
 * @param path the path of what is deleted, with what it needs escaped
 * @param query of the request
 * @param service whose path it is
 */
export function deleteAtEnd(
  path: string,
  query: Record<string, string> = {},
  service = signedService(),
): () => void {
  const url = place(path);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  let headers: Record<string, string> = {};
  const sign = async () => {
    headers = await signed("DELETE", url, query, undefined, undefined, service);
  };
  const leave = () => void fetch(url, { method: "DELETE", headers, keepalive: true });
  void sign();
  const timer = setInterval(() => void sign(), SIGNED_AGAIN);
  addEventListener("pagehide", leave);
  return () => {
    clearInterval(timer);
    removeEventListener("pagehide", leave);
  };
}

/** The service in signatures for HTTP APIs that are no service of AWS. */
const GATEWAY = "execute-api";
export const S3 = "s3";

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
  // S3 gives nothing to those who sign nothing, whoever may sign.
  if (config().auth === "none" && service !== S3) return headers;
  const signer = new SignatureV4({
    credentials: credentials(),
    region: config().region,
    service,
    // S3 signs paths as they are sent; all others escape them once more.
    uriEscapePath: service !== S3,
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
