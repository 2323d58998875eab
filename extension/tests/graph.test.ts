import { describe, expect, it } from 'vitest';
import { buildGraph, liveRun, openGroups } from '../src/model/graph';
import { layOut, neighbour, NODE, pathThrough } from '../src/model/layout';
import { runOf, summary, task } from './kit';
import { chain, lastRun, pipelineOf, planOf, staleTask, taskView } from './pipelinekit';

const NONE = new Set<string>();
const ERROR = {
  name: 'ValueError',
  message: 'no rows',
  cell: 3,
  source: '',
  traceback: ''
};

function statesOf(graph: ReturnType<typeof buildGraph>) {
  return Object.fromEntries(graph.nodes.map(node => [node.name, node.state]));
}

describe('buildGraph', () => {
  it('tells what a run would do, and why', () => {
    const pipeline = pipelineOf([
      taskView('ingest'),
      staleTask('features', 'parameter days 21 → 14', { upstream: ['ingest'] }),
      taskView('train', { upstream: ['features'], action: 'restore' })
    ]);
    const graph = buildGraph(pipeline, null, null, NONE);
    expect(statesOf(graph)).toEqual({
      ingest: 'fresh',
      features: 'stale',
      train: 'restore'
    });
    expect(graph.nodes[1].why).toBe('parameter days 21 → 14');
    expect(graph.edges.map(edge => edge.id)).toEqual([
      'ingest->features',
      'features->train'
    ]);
  });

  it('names the first reasons of many', () => {
    const reasons = ['a', 'b', 'c', 'd'].map(text => ({
      kind: 'module',
      text,
      subject: ''
    }));
    const pipeline = pipelineOf([taskView('t', { action: 'run', reasons })]);
    expect(buildGraph(pipeline, null, null, NONE).nodes[0].why).toBe('a, b, c …');
  });

  it('shows the failure of a task until something would mend it', () => {
    const failed = staleTask('train', 'failed before', {
      last: lastRun({ status: 'failed', error: ERROR })
    });
    const [node] = buildGraph(pipelineOf([failed]), null, null, NONE).nodes;
    expect(node).toMatchObject({ state: 'failed', why: 'no rows', cell: 3 });
    const plan = planOf([failed], { train: 'parameter depth 6 → 8' });
    expect(buildGraph(pipelineOf([failed]), null, plan, NONE).nodes[0].state).toBe('stale');
  });

  it('goes by the run that is on', () => {
    const run = runOf(summary('r', { status: 'running' }), [
      task('ingest', { status: 'skipped', why: 'not selected' }),
      task('features', { status: 'running', started: 5, cells_done: 2, cells_total: 9 }),
      task('train')
    ]);
    const graph = buildGraph(pipelineOf(chain()), run, null, NONE);
    expect(statesOf(graph)).toEqual({
      ingest: 'outside',
      features: 'running',
      train: 'pending'
    });
    expect(graph.nodes[1]).toMatchObject({ done: 2, total: 9, started: 5 });
  });

  it('folds a grid into one node that stands as its most urgent task', () => {
    const names = ['a', 'b', 'c', 'd'];
    const grid = names.map(name => taskView(name, { group: 'grid', upstream: ['in'] }));
    grid[2] = staleTask('c', 'new', { group: 'grid', upstream: ['in'] });
    const end = taskView('end', { upstream: names });
    const pipeline = pipelineOf([taskView('in'), ...grid, end], {
      groups: [{ name: 'grid', tasks: names }]
    });
    expect(openGroups(pipeline, [])).toEqual(NONE);
    const folded = buildGraph(pipeline, null, null, NONE);
    expect(statesOf(folded)).toEqual({ in: 'fresh', grid: 'stale', end: 'fresh' });
    expect(folded.nodes[1]).toMatchObject({ folded: true, done: 3, total: 4 });
    expect(folded.edges).toHaveLength(2);
    const open = buildGraph(pipeline, null, null, openGroups(pipeline, ['grid']));
    expect(open.nodes).toHaveLength(6);
    expect(open.shape).not.toBe(folded.shape);
  });

  it('marks the critical path', () => {
    const pipeline = pipelineOf(chain(), { critical_path: ['ingest', 'features'] });
    const { edges } = buildGraph(pipeline, null, null, NONE);
    expect(edges.map(edge => edge.critical)).toEqual([true, false]);
  });
});

describe('liveRun', () => {
  const run = (id: string, status: 'running' | 'succeeded') =>
    runOf(summary(id, { status }), []);

  it('is the one that goes on', () => {
    const runs = new Map([['b', run('b', 'running')]]);
    expect(liveRun(pipelineOf([], { last: summary('c') }), runs)?.summary.id).toBe('b');
  });

  it('stays until the pipeline knows how it ended', () => {
    const runs = new Map([['b', run('b', 'succeeded')]]);
    expect(liveRun(pipelineOf([], { last: summary('a') }), runs)).not.toBeNull();
    expect(liveRun(pipelineOf([], { last: summary('b') }), runs)).toBeNull();
  });

  it('is never an old run that someone looks at', () => {
    const runs = new Map([['a', run('a', 'succeeded')]]);
    expect(liveRun(pipelineOf([], { last: summary('b') }), runs)).toBeNull();
  });
});

describe('layOut', () => {
  const graph = buildGraph(
    pipelineOf([
      taskView('a'),
      taskView('b', { upstream: ['a'] }),
      taskView('c', { upstream: ['a'] }),
      taskView('d', { upstream: ['a', 'b', 'c'] })
    ]),
    null,
    null,
    NONE
  );
  const layout = layOut(graph);

  it('puts what comes later below, and nothing upon another', () => {
    const { places } = layout;
    expect(places.get('a')!.rank).toBe(0);
    expect(places.get('d')!.rank).toBe(2);
    const [b, c] = [places.get('b')!, places.get('c')!];
    expect(Math.abs(b.x - c.x)).toBeGreaterThan(NODE.width);
  });

  it('leads long edges around what lies between', () => {
    const route = layout.routes.get('a->d')!;
    const { places } = layout;
    const top = places.get('b')!.y;
    const middle = route.find(point => point.y >= top && point.y <= top + NODE.height)!;
    for (const name of ['b', 'c']) {
      const left = places.get(name)!.x;
      expect(middle.x < left || middle.x > left + NODE.width).toBe(true);
    }
    expect(pathThrough(route)).toMatch(/^M[\d.]+,[\d.]+( C[\d., -]+)+$/);
  });

  it('leads from node to node by arrow keys', () => {
    expect(neighbour(graph, layout, 'b', 'ArrowUp')).toBe('a');
    expect(neighbour(graph, layout, 'b', 'ArrowDown')).toBe('d');
    expect(neighbour(graph, layout, 'd', 'ArrowDown')).toBeNull();
    expect(neighbour(graph, layout, 'a', 'End')).toBe('d');
    const side =
      neighbour(graph, layout, 'b', 'ArrowRight') ??
      neighbour(graph, layout, 'b', 'ArrowLeft');
    expect(side).toBe('c');
  });

  it('lays 500 tasks out', () => {
    const tasks = Array.from({ length: 500 }, (_, index) =>
      taskView(`t${index}`, {
        upstream: index < 10 ? [] : [`t${index - 10}`, `t${index - 7}`]
      })
    );
    const many = layOut(buildGraph(pipelineOf(tasks), null, null, NONE));
    expect(many.places.size).toBe(500);
  });
});
