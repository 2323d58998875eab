/** The history as it is shown: what was loaded, with what goes on drawn over it. */

import type { RunSummary } from '../api';
import type { LiveRuns } from './feed';

/** Return the runs of a page, the newest first, each as its last event tells it. */
export function withLive(runs: readonly RunSummary[], live: LiveRuns): RunSummary[] {
  const known = new Set(runs.map(run => run.id));
  const fresh = [...live.values()]
    .map(run => run.summary)
    .filter(run => !known.has(run.id) && (!runs.length || run.id > runs[0].id));
  const current = runs.map(run => {
    const now = live.get(run.id)?.summary;
    return now && now.last_seq >= run.last_seq ? now : run;
  });
  return [...fresh.sort((a, b) => b.id.localeCompare(a.id)), ...current];
}

/** What the history is narrowed to. */
export interface IRunFilter {
  readonly text: string;
  /** A status; all where empty. */
  readonly status: string;
}

/** Whether a run has the text in its id, trigger, person, parameters, metrics or failed tasks. */
export function matches(run: RunSummary, filter: IRunFilter): boolean {
  if (filter.status && run.status !== filter.status) {
    return false;
  }
  const wanted = filter.text.trim().toLowerCase();
  if (!wanted) {
    return true;
  }
  const texts = [
    run.id,
    run.trigger,
    run.user,
    run.git_commit,
    ...run.targets,
    ...run.failed,
    ...Object.keys(run.metrics),
    ...Object.entries(run.parameters).map(
      ([name, value]) => `${name}=${JSON.stringify(value)}`
    )
  ];
  return texts.some(text => text.toLowerCase().includes(wanted));
}

/** Tasks of a run that need nothing more, of those there are. */
export function progress(run: RunSummary): { done: number; total: number } {
  const left = (run.counts.pending ?? 0) + (run.counts.running ?? 0);
  return { done: run.tasks - left, total: run.tasks };
}
