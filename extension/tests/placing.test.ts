import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildGraph, type IGraph } from '../src/model/graph';
import { layOut } from '../src/model/layout';
import { pipelineOf, taskView } from './pipelinekit';

/** A row of tasks; each test has a shape of its own. */
function row(count: number, name: string): IGraph {
  const tasks = Array.from({ length: count }, (_, index) =>
    taskView(`${name}${index}`, { upstream: index ? [`${name}${index - 1}`] : [] })
  );
  return buildGraph(pipelineOf(tasks), null, null, new Set());
}

/** Answers like the real one; `breaks` is a script that cannot be loaded. */
class FakeWorker {
  static made: FakeWorker[] = [];
  static breaks = false;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((error: unknown) => void) | null = null;
  readonly asked: string[] = [];

  constructor() {
    FakeWorker.made.push(this);
  }

  postMessage(message: { shape: string; graph: Parameters<typeof layOut>[0] }): void {
    const { shape, graph } = structuredClone(message);
    this.asked.push(shape);
    queueMicrotask(() =>
      FakeWorker.breaks
        ? this.onerror?.(new Error('refused'))
        : this.onmessage?.({ data: { shape, layout: structuredClone(layOut(graph)) } })
    );
  }
}

describe('placing', () => {
  let placing: typeof import('../src/model/placing');

  beforeEach(async () => {
    FakeWorker.made = [];
    FakeWorker.breaks = false;
    vi.stubGlobal('Worker', FakeWorker);
    vi.resetModules();
    placing = await import('../src/model/placing');
  });
  afterEach(() => vi.unstubAllGlobals());

  it('lays small graphs out at once, and equal shapes once', () => {
    const graph = row(3, 'a');
    const layout = placing.placed(graph)!;
    expect(layout.places.size).toBe(3);
    expect(placing.placed({ ...graph })).toBe(layout);
    expect(FakeWorker.made).toEqual([]);
  });

  it('leaves large ones to one worker, which is asked once for a shape', async () => {
    const graph = row(60, 'b');
    expect(placing.placed(graph)).toBeNull();
    const [one, other] = await Promise.all([placing.place(graph), placing.place(graph)]);
    expect(one).toBe(other);
    expect(one).toEqual(layOut(graph));
    expect(placing.placed(graph)).toBe(one);
    await placing.place(row(50, 'c'));
    expect(FakeWorker.made.map(worker => worker.asked.length)).toEqual([2]);
  });

  it('does without a worker whose script cannot be had', async () => {
    FakeWorker.breaks = true;
    expect((await placing.place(row(40, 'd'))).places.size).toBe(40);
  });

  it('does without workers where there are none', async () => {
    vi.stubGlobal('Worker', undefined);
    expect((await placing.place(row(40, 'e'))).places.size).toBe(40);
  });
});
