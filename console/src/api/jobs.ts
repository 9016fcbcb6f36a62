import { signal } from "@preact/signals";
import { whenSignedOut } from "./session";

/** A search of a film that was started in this tab. Rekognition has no list of them. */
export interface Job {
  id: string;
  film: string;
  collection: string;
  status: string;
}

export const jobs = signal<readonly Job[]>([]);
whenSignedOut(() => (jobs.value = []));

/** Note a job, or its new status. */
export function noteJob(job: Job): void {
  jobs.value = [job, ...jobs.value.filter((each) => each.id !== job.id)];
}
