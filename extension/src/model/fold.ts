/** Takes a run's events into its record, as the server does, so that no event needs a request. */

import type { CellRun, PanelEvent, RunTaskView, RunView } from '../api';
import type { RunStatus, TaskStatus } from '../tokens';

/** One event of a run, from Jupyter's event bus or from the run's own log. */
export type IRunEvent = Omit<PanelEvent, 'project' | 'kind'> & { readonly kind: string };

const BLANK: Omit<RunTaskView, 'task'> = {
  status: 'pending',
  why: '',
  attempt: 0,
  started: null,
  ended: null,
  seconds: null,
  kernel: '',
  error: null,
  peak_mb: null,
  cells: [],
  cells_total: 0,
  cells_done: 0,
  notebook: '',
  report: '',
  log: ''
};

/** Return the run after the event; the same object where the event was taken before. */
export function applyEvent(run: RunView, event: IRunEvent): RunView {
  if (event.seq <= run.summary.last_seq) {
    return run;
  }
  const summary = { ...run.summary, last_seq: event.seq };
  const { data } = event;
  switch (event.kind) {
    case 'plan': {
      const items = data.items as { task: string; action: string; why?: string }[];
      const tasks = items.map((item): RunTaskView => ({
        ...BLANK,
        task: item.task,
        status: item.action === 'skip' ? 'skipped' : 'pending',
        why: item.why ?? ''
      }));
      return { ...run, summary: counted(summary, tasks), tasks };
    }
    case 'metric': {
      const metrics = { ...summary.metrics, [String(data.name)]: Number(data.value) };
      return { ...run, summary: { ...summary, metrics } };
    }
    case 'run.finished': {
      const status = data.status as RunStatus;
      const tasks = run.tasks.map(task => settled(task, status));
      const seconds = event.time - summary.started;
      const ended = { ...summary, status, ended: event.time, seconds };
      return { ...run, summary: counted(ended, tasks), tasks };
    }
  }
  if (!event.task) {
    return { ...run, summary };
  }
  let known = false;
  const tasks = run.tasks.map(task => {
    if (task.task !== event.task) {
      return task;
    }
    known = true;
    return taskAfter(task, event);
  });
  if (!known) {
    tasks.push(taskAfter({ ...BLANK, task: event.task }, event));
  }
  return { ...run, summary: counted(summary, tasks), tasks };
}

function taskAfter(task: RunTaskView, event: IRunEvent): RunTaskView {
  const { data } = event;
  switch (event.kind) {
    case 'task.started':
      return {
        ...task,
        status: 'running',
        attempt: (data.attempt as number) ?? 1,
        started: event.time,
        ended: null,
        seconds: null,
        error: null,
        kernel: (data.kernel as string) ?? '',
        cells: [],
        cells_total: (data.cells as number) ?? 0,
        cells_done: 0
      };
    case 'task.cell': {
      const seconds = data.seconds as number | null | undefined;
      const cells =
        seconds === null || seconds === undefined // without, the cell has only begun
          ? task.cells
          : [
              ...task.cells,
              {
                index: data.index,
                seconds,
                peak_mb: (data.peak_mb as number) ?? null
              } as CellRun
            ];
      return {
        ...task,
        cells,
        cells_done: cells.length,
        cells_total: (data.cells as number) ?? task.cells_total,
        kernel: (data.kernel as string) ?? task.kernel
      };
    }
    case 'task.finished': {
      const done = data as Partial<RunTaskView>;
      const started = done.started ?? task.started;
      const ended = done.ended ?? event.time;
      return {
        ...task,
        status: done.status as TaskStatus,
        why: done.why || task.why,
        attempt: done.attempt ?? task.attempt,
        kernel: done.kernel || task.kernel,
        error: done.error ?? null,
        peak_mb: done.peak_mb ?? task.peak_mb,
        started,
        ended,
        seconds: started === null ? null : ended - started,
        cells: done.cells?.length ? done.cells : task.cells,
        cells_done: done.cells_done ?? task.cells_done,
        cells_total: done.cells_total ?? task.cells_total
      };
    }
    default:
      return task;
  }
}

function settled(task: RunTaskView, status: RunStatus): RunTaskView {
  if (task.status !== 'running') {
    return task;
  }
  return { ...task, status: status === 'cancelled' ? 'cancelled' : 'lost' };
}

const FAILED = new Set<TaskStatus>(['failed', 'timed-out', 'died', 'exited']);

/** Whether the task ended by a fault of its own. */
export function isFailed(status: TaskStatus): boolean {
  return FAILED.has(status);
}

function counted(summary: RunView['summary'], tasks: RunTaskView[]): RunView['summary'] {
  const counts: Record<string, number> = {};
  for (const task of tasks) {
    counts[task.status] = (counts[task.status] ?? 0) + 1;
  }
  const failed = tasks.filter(task => isFailed(task.status)).map(task => task.task);
  return { ...summary, counts, failed, tasks: tasks.length };
}
