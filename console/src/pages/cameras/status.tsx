const KINDS: Partial<Record<string, string>> = { RUNNING: "good", FAILED: "bad" };

/** The status of a stream processor, in Rekognition's word. */
export function Status({ status }: { status: string }) {
  return <span class={`badge ${KINDS[status] ?? ""}`}>{status}</span>;
}
