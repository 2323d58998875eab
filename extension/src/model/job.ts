/** Waits for work that takes longer than a request. */

import { ApiError, got } from '../request';
import type { JobView, PanelEvent } from '../api';
import type { ProjectModel } from './panel';

/** Milliseconds after which a job is looked at although no event told its end. */
const LOOK = 3000;

/**
 * Wait until a job has ended, by the event that tells it.
 *
 * @throws ApiError what the job ended with, where that is no success.
 */
export async function ended(
  project: ProjectModel,
  job: JobView,
  look = LOOK
): Promise<JobView> {
  let current = job;
  while (current.state === 'running') {
    await told(project, job.id, look);
    if (project.isDisposed) {
      return current;
    }
    current = await got(
      project.api.GET('/mlops-nb/v1/jobs/{job}', {
        params: { path: { job: job.id }, query: { project: project.path } }
      })
    );
  }
  const { error } = current;
  if (error) {
    throw new ApiError('wrong', error.message, error.where, error.fix, 0, error.kind);
  }
  return current;
}

/** Resolves when the event of a job's end comes, or after a while. */
function told(project: ProjectModel, job: string, wait: number): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      project.told.disconnect(hear);
      resolve();
    };
    const hear = (_: unknown, event: PanelEvent) => {
      if (event.kind === 'job.finished' && event.data.job === job) {
        done();
      }
    };
    const timer = setTimeout(done, wait);
    project.told.connect(hear);
  });
}
