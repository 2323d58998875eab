/** The pipeline as a picture: nodes with their states, grids folded into one, edges between them. */

import type {
  PipelineView,
  PlanItemView,
  PlanView,
  RunTaskView,
  RunView,
  TaskView
} from '../api';
import type { TaskStatus } from '../tokens';
import type { LiveRuns } from './feed';
import { isFailed } from './fold';

/** How a node stands: a state of a run that goes on, or what a run would do. */
export type NodeState = TaskStatus | 'fresh' | 'stale' | 'restore' | 'outside';

export interface INodeStanding {
  readonly state: NodeState;
  /** Why it would run, or what went wrong; one line, may be empty. */
  readonly why: string;
  /** Done and all cells of a task that runs; zeros elsewhere. */
  readonly done: number;
  readonly total: number;
  /** When it began, for a task that runs; seconds since the epoch. */
  readonly started: number | null;
  /** What it took last, or is expected to take. */
  readonly seconds: number | null;
  /** The failing cell, from 0. */
  readonly cell: number | null;
}

export interface IGraphNode extends INodeStanding {
  readonly id: string;
  /** A task's name, or a grid's. */
  readonly name: string;
  /** The tasks it stands for: one, or those of a folded grid. */
  readonly tasks: readonly string[];
  /** The grid of a task whose siblings are shown; empty elsewhere. */
  readonly group: string;
  readonly folded: boolean;
  readonly critical: boolean;
  readonly kind: TaskView['kind'];
}

export interface IGraphEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly critical: boolean;
}

export interface IGraph {
  readonly nodes: readonly IGraphNode[];
  readonly edges: readonly IGraphEdge[];
  /** Equal for graphs that are laid out alike. */
  readonly shape: string;
}

/** Reasons that a node names. */
const REASONS = 3;

/** The prefix of the ids of folded grids. */
const GROUP = 'group:';

/** Grids of more tasks than this are folded until they are opened. */
export const FOLD_ABOVE = 3;

/** Return the grids that are shown task by task: small ones, and those that were toggled. */
export function openGroups(
  pipeline: PipelineView,
  toggled: readonly string[]
): Set<string> {
  const open = pipeline.groups.filter(
    group => group.tasks.length <= FOLD_ABOVE !== toggled.includes(group.name)
  );
  return new Set(open.map(group => group.name));
}

/** Return the run whose states the picture shows: one that goes on, or ended a moment ago. */
export function liveRun(pipeline: PipelineView, runs: LiveRuns): RunView | null {
  let newest: RunView | null = null;
  for (const run of runs.values()) {
    const { id, status } = run.summary;
    const ahead =
      status === 'running' ||
      pipeline.active.includes(id) ||
      id > (pipeline.last?.id ?? '');
    if (ahead && (!newest || id > newest.summary.id)) {
      newest = run;
    }
  }
  return newest;
}

/** Return how a task stands; `plan` is what a run with other parameters would do. */
export function standingOf(
  task: TaskView,
  live: RunTaskView | null,
  plan: PlanItemView | null
): INodeStanding {
  const base = {
    done: 0,
    total: 0,
    started: null,
    seconds: task.last?.seconds ?? task.expected_seconds,
    cell: null
  };
  if (live && !(live.status === 'skipped' && live.why === 'not selected')) {
    return {
      state: live.status === 'skipped' ? 'fresh' : live.status,
      why: live.error ? live.error.message : live.status === 'pending' ? live.why : '',
      done: live.cells_done,
      total: live.cells_total,
      started: live.status === 'running' ? live.started : null,
      seconds: live.seconds ?? task.expected_seconds,
      cell: live.error?.cell ?? null
    };
  }
  if (live) {
    return { ...base, state: 'outside', why: '' };
  }
  const { action, reasons } = plan ?? task;
  const why = shortened(reasons.map(reason => reason.text));
  if (action === 'skip') {
    const left = plan?.reasons.some(reason => reason.kind === 'unselected');
    return { ...base, state: left ? 'outside' : 'fresh', why: '' };
  }
  if (action === 'restore') {
    return { ...base, state: 'restore', why };
  }
  const { last } = task;
  if (last && isFailed(last.status) && !plan) {
    const error = last.error;
    return {
      ...base,
      state: last.status,
      why: error?.message ?? why,
      cell: error?.cell ?? null
    };
  }
  return { ...base, state: 'stale', why };
}

/** The first reasons: a picture has no room for a hundred. */
function shortened(reasons: readonly string[]): string {
  const first = reasons.slice(0, REASONS).join(', ');
  return reasons.length > REASONS ? `${first} …` : first;
}

/** States from the one that needs most attention to the one that needs none. */
const URGENCY: readonly NodeState[] = [
  'running',
  'failed',
  'died',
  'timed-out',
  'exited',
  'lost',
  'cancelled',
  'blocked',
  'pending',
  'stale',
  'restore',
  'outside',
  'succeeded',
  'restored',
  'skipped',
  'fresh'
];

/** Return the picture. `open` names the grids that are shown task by task. */
export function buildGraph(
  pipeline: PipelineView,
  live: RunView | null,
  plan: PlanView | null,
  open: ReadonlySet<string>
): IGraph {
  const liveTasks = new Map(live?.tasks.map(task => [task.task, task]));
  const planned = new Map(plan?.items.map(item => [item.task, item]));
  const home = new Map<string, string>(); // the node that shows a task
  for (const group of pipeline.groups) {
    if (!open.has(group.name)) {
      group.tasks.forEach(task => home.set(task, GROUP + group.name));
    }
  }
  const members = new Map<string, { task: TaskView; standing: INodeStanding }[]>();
  for (const task of pipeline.tasks) {
    const standing = standingOf(
      task,
      live ? (liveTasks.get(task.name) ?? null) : null,
      planned.get(task.name) ?? null
    );
    const id = home.get(task.name) ?? task.name;
    const known = members.get(id);
    known ? known.push({ task, standing }) : members.set(id, [{ task, standing }]);
  }
  const nodes = [...members].map(([id, found]) => nodeOf(id, found));
  const edges = edgesOf(pipeline, home);
  const shape = [...members.keys(), '|', ...edges.map(edge => edge.id)].join('\n');
  return { nodes, edges, shape };
}

function nodeOf(
  id: string,
  found: { task: TaskView; standing: INodeStanding }[]
): IGraphNode {
  const [{ task, standing }] = found;
  const folded = id.startsWith(GROUP);
  return {
    ...(folded ? together(found.map(one => one.standing)) : standing),
    id,
    name: folded ? id.slice(GROUP.length) : task.name,
    tasks: found.map(one => one.task.name),
    group: folded ? '' : task.group,
    folded,
    critical: found.some(one => one.task.critical),
    kind: task.kind
  };
}

/** How the tasks of a folded grid stand together: as the one that needs most attention. */
function together(all: readonly INodeStanding[]): INodeStanding {
  const rank = (one: INodeStanding) => URGENCY.indexOf(one.state);
  const first = all.reduce((a, b) => (rank(b) < rank(a) ? b : a));
  const isDone = (one: INodeStanding) =>
    ['succeeded', 'restored', 'fresh'].includes(one.state);
  const seconds = all.map(one => one.seconds ?? 0).reduce((a, b) => a + b, 0);
  return {
    ...first,
    done: all.filter(isDone).length,
    total: all.length,
    seconds: seconds || null,
    cell: null
  };
}

function edgesOf(pipeline: PipelineView, home: ReadonlyMap<string, string>): IGraphEdge[] {
  const edges = new Map<string, IGraphEdge>();
  const path = pipeline.critical_path;
  const steps = new Set(path.slice(1).map((task, index) => `${path[index]}\n${task}`));
  for (const task of pipeline.tasks) {
    const target = home.get(task.name) ?? task.name;
    for (const up of task.upstream) {
      const source = home.get(up) ?? up;
      const id = `${source}->${target}`;
      const critical =
        steps.has(`${up}\n${task.name}`) || (edges.get(id)?.critical ?? false);
      if (source !== target) {
        edges.set(id, { id, source, target, critical });
      }
    }
  }
  return [...edges.values()];
}
