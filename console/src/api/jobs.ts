import { signal } from "@preact/signals";
import { whenSignedOut } from "./session";

/** A search of a film that was started in this tab. Rekognition has no list of them. */
export interface Job {
  id: string;
  film: string;
  collection: string;
  status: string;
}

/** The status of a search that has not ended. */
export const RUNNING = "IN_PROGRESS";

export const jobs = signal<readonly Job[]>([]);
whenSignedOut(() => (jobs.value = []));

/** Note a job, or its new status. The latest is the first. */
export function noteJob(job: Job): void {
  const known = jobs.value.some((each) => each.id === job.id);
  jobs.value = known
    ? jobs.value.map((each) => (each.id === job.id ? job : each))
    : [job, ...jobs.value];
}
