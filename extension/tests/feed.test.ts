import { describe, expect, it, vi } from 'vitest';
import { applyEvent } from '../src/model/fold';
import { fakePanel, runOf, summary, task } from './kit';

const RUN = '20260101-000000-abcdef';

function started(seq = 2) {
  return runOf(
    summary(RUN, {
      status: 'running',
      ended: null,
      seconds: null,
      started: 100,
      last_seq: seq,
      counts: { pending: 2 }
    }),
    [task('load'), task('train')]
  );
}

describe('applyEvent', () => {
  const event = (seq: number, kind: string, data = {}, name = '') => ({
    seq,
    kind,
    data,
    task: name,
    run: RUN,
    time: 100 + seq
  });

  it('follows a task from start to end', () => {
    let run = started();
    run = applyEvent(run, event(3, 'task.started', { attempt: 1, cells: 4 }, 'load'));
    expect(run.tasks[0]).toMatchObject({ status: 'running', started: 103, cells_total: 4 });
    run = applyEvent(
      run,
      event(4, 'task.cell', { index: 0, cells: 4, seconds: null }, 'load')
    );
    expect(run.tasks[0].cells_done).toBe(0);
    run = applyEvent(
      run,
      event(5, 'task.cell', { index: 0, cells: 4, seconds: 0.5 }, 'load')
    );
    expect(run.tasks[0].cells_done).toBe(1);
    run = applyEvent(run, event(6, 'task.finished', { status: 'failed' }, 'load'));
    expect(run.tasks[0]).toMatchObject({ status: 'failed', seconds: 3 });
    expect(run.summary.failed).toEqual(['load']);
    expect(run.summary.counts).toEqual({ failed: 1, pending: 1 });
  });

  it('passes over what it has seen', () => {
    const run = started(5);
    expect(applyEvent(run, event(5, 'task.started', {}, 'load'))).toBe(run);
  });

  it('settles what ran when a run is cancelled', () => {
    let run = applyEvent(started(), event(3, 'task.started', {}, 'load'));
    run = applyEvent(run, event(4, 'run.finished', { status: 'cancelled' }));
    expect(run.tasks[0].status).toBe('cancelled');
    expect(run.summary).toMatchObject({ status: 'cancelled', seconds: 4 });
  });
});

describe('RunFeed', () => {
  it('fetches a run once, then lives on events', async () => {
    const panel = await fakePanel({
      [`GET /runs/${RUN}`]: started(),
      'GET /runs': { runs: [], active: [], total: 0, before: '' }
    });
    const { feed } = panel.model.project;
    await feed.follow(RUN);
    panel.tell({ run: RUN, seq: 3, kind: 'task.started', task: 'load', time: 103 });
    expect(feed.snapshot.get(RUN)!.tasks[0].status).toBe('running');
    expect(feed.isBusy).toBe(true);
    const asked = panel.server.requests.filter(one => one.route.includes(RUN));
    expect(asked).toHaveLength(1);
  });

  it('mends a gap by fetching the events after the last known one', async () => {
    const events = [3, 4, 5].map(seq => ({
      seq,
      run: RUN,
      time: 100 + seq,
      kind: seq === 3 ? 'task.started' : 'task.cell',
      task: 'load',
      data: { cells: 9, index: seq, seconds: 1 }
    }));
    const panel = await fakePanel({
      [`GET /runs/${RUN}`]: started(),
      [`GET /runs/${RUN}/events`]: { run: RUN, status: 'running', events, last_seq: 5 },
      'GET /runs': { runs: [], active: [], total: 0, before: '' }
    });
    const { feed } = panel.model.project;
    await feed.follow(RUN);
    panel.tell({ run: RUN, seq: 5, kind: 'task.cell', task: 'load', time: 105 });
    await vi.waitFor(() => expect(feed.snapshot.get(RUN)!.tasks[0].cells_done).toBe(2));
    const asked = panel.server.requests.find(one => one.route.endsWith('/events'))!;
    expect(asked.query.get('since')).toBe('2');
  });

  it('learns of a run that it never heard of', async () => {
    const panel = await fakePanel({
      [`GET /runs/${RUN}`]: started(),
      'GET /runs': { runs: [], active: [], total: 0, before: '' }
    });
    const { feed } = panel.model.project;
    panel.tell({ run: RUN, seq: 1, kind: 'run.started', time: 100 });
    await vi.waitFor(() => expect(feed.active).toHaveLength(1));
  });

  it('takes a lost run from the record: nobody logged the loss', async () => {
    let record = started();
    const panel = await fakePanel({
      [`GET /runs/${RUN}`]: () => record,
      [`GET /runs/${RUN}/events`]: { run: RUN, status: 'lost', events: [], last_seq: 2 },
      'GET /runs': { runs: [], active: [], total: 0, before: '' }
    });
    const { feed } = panel.model.project;
    await feed.follow(RUN);
    record = { ...record, summary: { ...record.summary, status: 'lost' } };
    await feed.catchUp();
    expect(feed.snapshot.get(RUN)!.summary.status).toBe('lost');
    expect(feed.isBusy).toBe(false);
  });

  it('keeps events of other projects out', async () => {
    const panel = await fakePanel({ [`GET /runs/${RUN}`]: started() });
    panel.tell({ run: RUN, seq: 1, kind: 'run.started', project: 'other' });
    expect(panel.server.requests.some(one => one.route.includes(RUN))).toBe(false);
  });
});
