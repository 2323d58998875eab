import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeAll, describe, expect, it } from 'vitest';
import { CommandIDs } from '../src/tokens';
import { pipelineView } from '../src/views/pipeline';
import {
  fakePanel,
  renderView,
  runOf,
  stubCommands,
  summary,
  task,
  violations
} from './kit';
import {
  chain,
  lastRun,
  parameter,
  pipelineOf,
  planOf,
  staleTask,
  taskView
} from './pipelinekit';

const RUN = '20260102-000000-b';
const RUNS = { runs: [], active: [], total: 0, before: '' };

// jsdom lays nothing out; the graph draws nodes only in a place that has a size.
beforeAll(() => {
  for (const [name, size] of [
    ['offsetWidth', 1000],
    ['offsetHeight', 800]
  ] as const) {
    Object.defineProperty(HTMLElement.prototype, name, { configurable: true, value: size });
  }
  Object.assign(globalThis, {
    DOMMatrixReadOnly: class {
      m22 = 1;
    }
  });
});

async function shown(pipeline = pipelineOf(chain()), more: Record<string, unknown> = {}) {
  const panel = await fakePanel({ 'GET /pipeline': pipeline, 'GET /runs': RUNS, ...more });
  stubCommands(
    panel,
    CommandIDs.runAll,
    CommandIDs.runTo,
    CommandIDs.runWith,
    CommandIDs.openSource,
    CommandIDs.openFailingCell
  );
  const view = renderView(panel, pipelineView);
  return { panel, ...view };
}

const node = (name: RegExp) => screen.findByRole('button', { name });

describe('Pipeline', () => {
  it('says of each task how it stands and why', async () => {
    const tasks = chain();
    tasks[2] = staleTask('train', 'parameter depth 6 → 8', { upstream: ['features'] });
    const { container } = await shown(pipelineOf(tasks));
    expect(await node(/^ingest, up to date/)).toBeTruthy();
    expect(await node(/^train, would run, because parameter depth 6 → 8/)).toBeTruthy();
    expect(screen.getByText(/1 task would run, 2 up to date/)).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('is walked by keys, and opens what is meant', async () => {
    const tasks = chain();
    const error = { name: 'E', message: 'bad', cell: 2, source: '1/0', traceback: '' };
    tasks[1] = staleTask('features', 'failed', {
      upstream: ['ingest'],
      last: lastRun({ status: 'failed', error })
    });
    const { panel } = await shown(pipelineOf(tasks));
    const first = await node(/^ingest/);
    expect(first.tabIndex).toBe(0);
    fireEvent.keyDown(first, { key: 'ArrowDown' });
    const second = await node(/^features, failed in cell 3/);
    await waitFor(() => expect(second.getAttribute('aria-pressed')).toBe('true'));
    fireEvent.keyDown(second, { key: 'Enter' });
    await waitFor(() =>
      expect(panel.executed[0]).toEqual([CommandIDs.openFailingCell, { task: 'features' }])
    );
    fireEvent.doubleClick(first);
    await waitFor(() =>
      expect(panel.executed[1]).toEqual([CommandIDs.openSource, { task: 'ingest' }])
    );
  });

  it('shows the details of what is chosen, and runs to there', async () => {
    const { panel, container } = await shown();
    fireEvent.click(await node(/^features/));
    const details = await screen.findByRole('complementary', {
      name: 'Details of features'
    });
    expect(within(details).getByText('notebooks/features.ipynb')).toBeTruthy();
    fireEvent.click(within(details).getByRole('button', { name: CommandIDs.runTo }));
    await waitFor(() =>
      expect(panel.executed[0]).toEqual([CommandIDs.runTo, { task: 'features' }])
    );
    expect(await violations(container)).toEqual([]);
  });

  it('follows a run by its events', async () => {
    const run = runOf(
      summary(RUN, { status: 'running', last_seq: 2, counts: { pending: 3 }, tasks: 3 }),
      ['ingest', 'features', 'train'].map(name => task(name))
    );
    const { panel } = await shown(pipelineOf(chain(), { active: [RUN] }), {
      [`GET /runs/${RUN}`]: run
    });
    expect(await node(/^ingest, waiting/)).toBeTruthy();
    const tell = (seq: number, kind: string, data = {}) =>
      act(async () => panel.tell({ run: RUN, seq, kind, task: 'ingest', time: 1, data }));
    await tell(3, 'task.started', { cells: 4 });
    await tell(4, 'task.cell', { index: 0, cells: 4, seconds: 1 });
    expect(await node(/^ingest, cell 2 of 4/)).toBeTruthy();
    await tell(5, 'task.finished', { status: 'succeeded' });
    expect(await node(/^ingest, succeeded/)).toBeTruthy();
    expect(screen.getByText('1 of 3 tasks done')).toBeTruthy();
  });

  it('shows at once what a changed parameter would do', async () => {
    const pipeline = pipelineOf(chain(), {
      parameters: [parameter('depth', { help: 'of each tree' })]
    });
    const { panel, container } = await shown(pipeline, {
      'POST /pipeline/plan': planOf(chain(), { train: 'parameter depth 6 → 8' })
    });
    fireEvent.click(await screen.findByRole('button', { name: 'Parameters' }));
    const field = await screen.findByRole('textbox', { name: /depth/ });
    fireEvent.change(field, { target: { value: '8' } });
    expect(await node(/^train, would run, because parameter depth 6 → 8/)).toBeTruthy();
    expect(screen.getByText(/With these parameters/)).toBeTruthy();
    expect(await violations(container)).toEqual([]);
    fireEvent.click(screen.getByRole('button', { name: 'Run with these' }));
    await waitFor(() => expect(panel.executed[0][0]).toBe(CommandIDs.runWith));
    fireEvent.click(screen.getByRole('button', { name: 'Take back depth' }));
    expect(await node(/^train, up to date/)).toBeTruthy();
  });

  it('finds tasks, and lists them', async () => {
    const { container } = await shown();
    const search = await screen.findByRole('searchbox');
    fireEvent.change(search, { target: { value: 'tra' } });
    fireEvent.keyDown(search, { key: 'Enter' });
    expect((await node(/^train, up to date/)).getAttribute('aria-pressed')).toBe('true');
    expect((await node(/^ingest/)).className).toContain('mn-mod-dim');
    fireEvent.click(screen.getByRole('button', { name: 'List of tasks' }));
    const list = screen.getByRole('list', { name: 'Tasks' });
    expect(within(list).getAllByRole('listitem')).toHaveLength(1);
    expect(await violations(container)).toEqual([]);
  });

  it('opens a folded grid', async () => {
    const names = ['t-0', 't-1', 't-2', 't-3'];
    const grid = names.map(name => taskView(name, { group: 'grid' }));
    await shown(pipelineOf(grid, { groups: [{ name: 'grid', tasks: names }] }));
    fireEvent.doubleClick(await node(/^grid grid of 4 tasks/));
    expect(await node(/^t-3, up to date/)).toBeTruthy();
  });

  it('says what to do where there is no task', async () => {
    const { container } = await shown(pipelineOf([]));
    expect(await screen.findByText('The pipeline has no tasks yet')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Parameters' })).toBeNull();
    expect(screen.queryByLabelText('Search tasks')).toBeNull();
    expect(await violations(container)).toEqual([]);
  });
});
