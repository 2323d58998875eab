/** Names, ids and types that the whole extension shares; imports nothing of it. */

import type { TranslationBundle } from '@jupyterlab/translation';

/** The extension's id, as in JupyterLab's plugin and schema names. */
export const EXTENSION = 'mlops-nb';

/** The prefix of the server part, below the Jupyter server's base URL. */
export const API_PATH = 'mlops-nb/v1';

/** The domain of all texts. */
export const DOMAIN = 'mlops_nb';

export type Trans = TranslationBundle;

/** Every action is a command. */
export namespace CommandIDs {
  export const open = 'mlops-nb:open';
  export const openPipeline = 'mlops-nb:open-pipeline';
  export const openRuns = 'mlops-nb:open-runs';
  export const openRun = 'mlops-nb:open-run';
  export const compareRuns = 'mlops-nb:compare-runs';
  export const runAll = 'mlops-nb:run-all';
  export const runTo = 'mlops-nb:run-to';
  export const runFrom = 'mlops-nb:run-from';
  export const runThis = 'mlops-nb:run-this';
  export const runWith = 'mlops-nb:run-with-parameters';
  export const cancel = 'mlops-nb:cancel-run';
  export const resume = 'mlops-nb:resume-run';
  export const rerun = 'mlops-nb:rerun';
  export const openSource = 'mlops-nb:open-source';
  export const openExecuted = 'mlops-nb:open-executed';
  export const openReport = 'mlops-nb:open-report';
  export const openFailingCell = 'mlops-nb:open-failing-cell';
  export const openLog = 'mlops-nb:open-log';
  export const selectProject = 'mlops-nb:select-project';
  export const initProject = 'mlops-nb:init-project';
  export const convert = 'mlops-nb:convert';
  export const addToPipeline = 'mlops-nb:add-to-pipeline';
  export const runAsTask = 'mlops-nb:run-as-task';
  export const schedule = 'mlops-nb:schedule';
  export const markParameters = 'mlops-nb:mark-parameters';
  export const openVersion = 'mlops-nb:open-version';
  export const openVersions = 'mlops-nb:open-versions';
  export const openPage = 'mlops-nb:open-page';
}

/** How a task stands; the values are those of the run records. */
export type TaskStatus =
  | 'pending'
  | 'running'
  | 'succeeded'
  | 'skipped'
  | 'restored'
  | 'failed'
  | 'timed-out'
  | 'died'
  | 'exited'
  | 'cancelled'
  | 'blocked'
  | 'lost';

/** How a run stands. */
export type RunStatus = 'running' | 'succeeded' | 'failed' | 'cancelled' | 'lost';
