/** Pipelines for tests. */

import type { LastRun, ParameterView, PipelineView, PlanView, TaskView } from '../src/api';

export function taskView(name: string, more: Partial<TaskView> = {}): TaskView {
  return {
    name,
    kind: 'notebook',
    source: `notebooks/${name}.ipynb`,
    source_is_file: true,
    upstream: [],
    products: [],
    parameters: [],
    group: '',
    kernel: '',
    language: 'python',
    tags: [],
    inputs: [],
    action: 'skip',
    why: '',
    reasons: [],
    last: null,
    expected_seconds: 2,
    critical: false,
    ...more
  };
}

/** A task that would run. */
export function staleTask(
  name: string,
  why: string,
  more: Partial<TaskView> = {}
): TaskView {
  const reasons = [{ kind: 'param', text: why, subject: '' }];
  return taskView(name, { action: 'run', why, reasons, ...more });
}

export function lastRun(more: Partial<LastRun> = {}): LastRun {
  return {
    run: '20260101-000000-a',
    status: 'succeeded',
    started: 100,
    ended: 102,
    seconds: 2,
    error: null,
    notebook: '',
    report: '',
    log: '',
    cells_total: 4,
    cells_done: 4,
    ...more
  };
}

export function pipelineOf(
  tasks: TaskView[],
  more: Partial<PipelineView> = {}
): PipelineView {
  const plan: Record<string, number> = {};
  tasks.forEach(task => (plan[task.action] = (plan[task.action] ?? 0) + 1));
  return {
    project: '',
    name: 'flights',
    spec: 'pipeline.yaml',
    tasks,
    groups: [],
    parameters: [],
    plan,
    critical_path: [],
    critical_seconds: null,
    expected_seconds: null,
    active: [],
    last: null,
    ...more
  };
}

/** ingest → features → train, all up to date. */
export function chain(): TaskView[] {
  return [
    taskView('ingest'),
    taskView('features', { upstream: ['ingest'] }),
    taskView('train', { upstream: ['features'] })
  ];
}

export function parameter(name: string, more: Partial<ParameterView> = {}): ParameterView {
  return {
    name,
    type: 'int',
    control: 'integer',
    optional: false,
    choices: [],
    value: 6,
    known: true,
    help: '',
    tasks: ['train'],
    ...more
  };
}

/** What a run would do, by task; tasks that are left out are skipped. */
export function planOf(tasks: TaskView[], run: Record<string, string>): PlanView {
  const items = tasks.map(task => ({
    task: task.name,
    action: task.name in run ? ('run' as const) : ('skip' as const),
    why: run[task.name] ?? '',
    reasons: task.name in run ? [{ kind: 'param', text: run[task.name], subject: '' }] : [],
    expected_seconds: 2
  }));
  const count = Object.keys(run).length;
  return {
    items,
    counts: { run: count, skip: items.length - count },
    is_noop: count === 0,
    expected_seconds: 2 * count
  };
}
