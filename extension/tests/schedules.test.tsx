import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import { ScheduleDraft } from '../src/model/draft';
import { daysFrom, timesOf, until } from '../src/model/timetable';
import { CommandIDs } from '../src/tokens';
import { schedulesView } from '../src/views/schedules';
import {
  dialog,
  fakePanel,
  refusal,
  renderView,
  stubCommands,
  violations,
  type Answer
} from './kit';
import { chain, parameter, pipelineOf } from './pipelinekit';
import { AT, occurrence, scheduleList, scheduleOf, scheduleView } from './schedulekit';

const NIGHTLY = scheduleView('nightly', { last: occurrence({ state: 'failed' }) });
const PAUSED = scheduleView('weekly', { paused: true, paused_by: 'ann' });

function answers(more: Record<string, Answer> = {}): Record<string, Answer> {
  return {
    'GET /schedules': scheduleList([NIGHTLY, PAUSED]),
    'GET /schedules-calendar': {
      times: { nightly: [{ at: Date.now() / 1000 + 60, local: '' }] }
    },
    'GET /schedules/nightly/history': { occurrences: [] },
    'GET /pipeline': pipelineOf(chain(), { parameters: [parameter('depth')] }),
    ...more
  };
}

afterEach(() => document.body.querySelectorAll('.jp-Dialog').forEach(one => one.remove()));

describe('times', () => {
  it('are counted by the day, and unknown where the list ends', () => {
    const days = daysFrom(AT);
    expect(days).toHaveLength(14);
    expect(days[1].start).toBe(days[0].end);
    const some = [0, 1, 2].map(one => ({ at: days[1].start + one, local: '' }));
    expect(timesOf(some, days[1])).toHaveLength(3);
    expect(timesOf(some, days[2])).toEqual([]);
    const many = Array.from({ length: 2000 }, (_, one) => ({
      at: days[0].start + one * 60,
      local: ''
    }));
    expect(timesOf(many, days[0])).toHaveLength(1440);
    expect(timesOf(many, days[1])).toBeNull();
  });

  it('are said in words', () => {
    expect(until(AT + 90, AT)).toBe('in 2 minutes');
    expect(until(AT + 3 * 3600, AT)).toBe('in 3 hours');
    expect(until(AT + 30 * 3600, AT)).toBe('tomorrow');
  });
});

describe('Schedules', () => {
  it('lists each with its state, its next time, and what came last', async () => {
    const panel = await fakePanel(answers());
    const { container } = renderView(panel, schedulesView);
    const table = await screen.findByRole('table', { name: 'Schedules' });
    expect(within(table).getByText('active')).toBeTruthy();
    expect(within(table).getByText('paused')).toBeTruthy();
    expect(within(table).getByText('failed')).toBeTruthy();
    expect(within(table).getByText('when resumed')).toBeTruthy();
    const calendar = await screen.findByRole('region', { name: 'The next two weeks' });
    expect(calendar.querySelectorAll('.mn-Due')).toHaveLength(1);
    expect(screen.queryByText(/No scheduler runs/)).toBeNull();
    expect(await violations(container)).toEqual([]);
  });

  it('says how to add one where there is none', async () => {
    const panel = await fakePanel(answers({ 'GET /schedules': scheduleList([]) }));
    const { container } = renderView(panel, schedulesView);
    expect(await screen.findByText('Nothing runs by itself yet')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
    fireEvent.click(screen.getByRole('button', { name: 'Add a schedule' }));
    expect(screen.getByRole('complementary', { name: 'New schedule' })).toBeTruthy();
  });

  it('says that nothing starts where no scheduler runs', async () => {
    const list = scheduleList([NIGHTLY], { served: false, fix: 'start it' });
    const panel = await fakePanel(answers({ 'GET /schedules': list }));
    const { container } = renderView(panel, schedulesView);
    expect(await screen.findByText(/No scheduler runs/)).toBeTruthy();
    expect(screen.getByText('mlops-nb scheduler')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('says what is wrong and how to mend it', async () => {
    const panel = await fakePanel(
      answers({
        'GET /schedules': () => refusal(422, { message: 'no store', fix: 'make one' })
      })
    );
    const { container } = renderView(panel, schedulesView);
    expect(await screen.findByText('no store')).toBeTruthy();
    expect(screen.getByText(/make one/)).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('opens one by Enter: what it runs, what came of it, a run by its link', async () => {
    const history = [
      occurrence({ id: 2, state: 'skipped', run: '', why: 'run x still ran' }),
      occurrence({ id: 1 })
    ];
    const panel = await fakePanel(
      answers({
        'GET /schedules': scheduleList([
          scheduleView('nightly', {
            schedule: scheduleOf('nightly', { tasks: ['train'], parameters: { depth: 3 } })
          })
        ]),
        'GET /schedules/nightly/history': { occurrences: history }
      })
    );
    stubCommands(panel, CommandIDs.openRun);
    const { container } = renderView(panel, schedulesView);
    const rows = within(
      await screen.findByRole('table', { name: 'Schedules' })
    ).getAllByRole('row');
    fireEvent.keyDown(rows[1], { key: 'Enter' });
    const details = await screen.findByRole('complementary', { name: 'Schedule nightly' });
    expect(within(details).getByText('train')).toBeTruthy();
    expect(await within(details).findByText('succeeded')).toBeTruthy();
    expect(within(details).getByText('run x still ran')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
    fireEvent.click(within(details).getByRole('button', { name: /^Run 2026/ }));
    await waitFor(() =>
      expect(panel.executed).toContainEqual([
        CommandIDs.openRun,
        { run: '20261129-060000-a' }
      ])
    );
  });

  it('pauses, resumes and runs one', async () => {
    let paused = false;
    const panel = await fakePanel(
      answers({
        'GET /schedules': () => scheduleList([scheduleView('nightly', { paused })]),
        'POST /schedules/nightly/pause': () => {
          paused = true;
          return scheduleView('nightly', { paused });
        },
        'POST /schedules/nightly/resume': () => {
          paused = false;
          return scheduleView('nightly', { paused });
        },
        'POST /schedules/nightly/run-now': occurrence({ state: 'waiting' })
      })
    );
    renderView(panel, schedulesView, { schedule: 'nightly' });
    fireEvent.click(await screen.findByRole('button', { name: 'Pause' }));
    fireEvent.click(await screen.findByRole('button', { name: 'Resume' }));
    await screen.findByRole('button', { name: 'Pause' });
    fireEvent.click(screen.getByRole('button', { name: 'Run Now' }));
    await waitFor(() =>
      expect(panel.server.requests.map(one => one.route)).toContain(
        'POST /schedules/nightly/run-now'
      )
    );
  });

  it('removes one after consent', async () => {
    const schedules = [NIGHTLY];
    const panel = await fakePanel(
      answers({
        'GET /schedules': () => scheduleList([...schedules]),
        'DELETE /schedules/nightly': () => {
          schedules.pop();
          return new Response(null, { status: 204 });
        }
      })
    );
    renderView(panel, schedulesView, { schedule: 'nightly' });
    fireEvent.click(await screen.findByRole('button', { name: 'Remove' }));
    const asked = await dialog();
    expect(schedules).toHaveLength(1);
    fireEvent.click(within(asked).getByText('Remove'));
    expect(await screen.findByText('Nothing runs by itself yet')).toBeTruthy();
  });

  it('leaves what pyproject.toml says to pyproject.toml', async () => {
    const list = scheduleList([scheduleView('nightly', { origin: 'project' })]);
    const panel = await fakePanel(answers({ 'GET /schedules': list }));
    renderView(panel, schedulesView, { schedule: 'nightly' });
    const remove = await screen.findByRole('button', { name: 'Remove' });
    expect((remove as HTMLButtonElement).disabled).toBe(true);
  });

  it('loads anew when a schedule changed elsewhere', async () => {
    const schedules = [NIGHTLY];
    const panel = await fakePanel(
      answers({ 'GET /schedules': () => scheduleList([...schedules]) })
    );
    renderView(panel, schedulesView);
    const table = await screen.findByRole('table', { name: 'Schedules' });
    schedules.push(PAUSED);
    act(() => panel.tell({ run: '', kind: 'schedules.changed' }));
    expect(await within(table).findByText('weekly')).toBeTruthy();
  });
});

const PREVIEW = {
  words: 'every day at 06:00',
  timezone: 'UTC',
  times: [{ at: AT, local: '2026-11-30T06:00:00+00:00' }]
};

describe('the form of a schedule', () => {
  it('shows the next times as the time is typed, and adds it', async () => {
    const panel = await fakePanel(
      answers({
        'POST /schedules-preview': PREVIEW,
        'POST /schedules': NIGHTLY
      })
    );
    const { container } = renderView(panel, schedulesView, { form: true });
    const form = await screen.findByRole('complementary', { name: 'New schedule' });
    const add = within(form).getByRole('button', { name: 'Add' }) as HTMLButtonElement;
    expect(add.disabled).toBe(true);
    type('Name', 'nightly');
    type('When', 'every day at 6');
    type('Time zone', 'Europe/Berlin');
    expect(await within(form).findByText('every day at 06:00')).toBeTruthy();
    const previews = panel.server.requests.filter(
      one => one.route === 'POST /schedules-preview'
    );
    expect(previews).toHaveLength(1);
    expect(previews[0].body).toMatchObject({
      when: 'every day at 6',
      timezone: 'Europe/Berlin'
    });
    fireEvent.change(screen.getByLabelText('What it runs'), { target: { value: 'task' } });
    expect(add.disabled).toBe(true);
    fireEvent.change(screen.getByLabelText('Task'), { target: { value: 'train' } });
    fireEvent.change(screen.getByLabelText(/^depth/), { target: { value: '9' } });
    expect(await violations(container)).toEqual([]);
    fireEvent.click(add);
    await waitFor(() => expect(screen.queryByText('New schedule')).toBeNull());
    const sent = panel.server.requests.find(one => one.route === 'POST /schedules');
    expect(sent?.body).toEqual({
      name: 'nightly',
      when: 'every day at 6',
      timezone: 'Europe/Berlin',
      tasks: ['train'],
      parameters: { depth: 9 }
    });
  });

  it('says what a time does not mean', async () => {
    const panel = await fakePanel(
      answers({
        'POST /schedules-preview': () =>
          refusal(422, { message: '"soon" is no time', fix: 'write "every day at 6"' })
      })
    );
    const { container } = renderView(panel, schedulesView, { form: true });
    await screen.findByRole('complementary', { name: 'New schedule' });
    type('Name', 'x');
    type('When', 'soon');
    expect(await screen.findByText(/"soon" is no time/)).toBeTruthy();
    expect(screen.getByText(/write "every day at 6"/)).toBeTruthy();
    expect(
      (screen.getByRole('button', { name: 'Add' }) as HTMLButtonElement).disabled
    ).toBe(true);
    expect(await violations(container)).toEqual([]);
  });

  it('offers no runs at once of the latest sources, and says why', async () => {
    const panel = await fakePanel(
      answers({
        'POST /schedules-preview': PREVIEW,
        'POST /schedules': () =>
          refusal(422, { message: 'needs frozen sources', fix: 'use snapshot' })
      })
    );
    const { container } = renderView(panel, schedulesView, { form: true });
    await screen.findByRole('complementary', { name: 'New schedule' });
    fireEvent.click(screen.getByText('When things go otherwise'));
    // By their values: to look through the roles of all time zones takes seconds.
    const option = (value: string) =>
      document.querySelector<HTMLOptionElement>(`option[value=${value}]`)!;
    expect(option('allow').disabled).toBe(true);
    const overlap = screen.getByLabelText('If the one before still runs');
    const why = document.getElementById(overlap.getAttribute('aria-describedby')!)!;
    expect(why.textContent).toContain('choose other sources below');
    fireEvent.change(screen.getByLabelText('Which sources'), {
      target: { value: 'snapshot' }
    });
    expect(option('allow').disabled).toBe(false);
    expect(overlap.getAttribute('aria-describedby')).toBeNull();
    fireEvent.change(overlap, { target: { value: 'allow' } });
    expect(option('latest').disabled).toBe(true);
    expect(screen.getByText(/each need sources of their own/)).toBeTruthy();
    type('Name', 'x');
    type('When', 'every day at 6');
    fireEvent.submit(screen.getByLabelText('Name').closest('form')!);
    expect(await screen.findByText('needs frozen sources')).toBeTruthy();
    expect(screen.getByText('To mend it: use snapshot')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('has nothing to run in a pipeline without tasks', async () => {
    const panel = await fakePanel(
      answers({ 'GET /schedules': scheduleList([]), 'GET /pipeline': pipelineOf([]) })
    );
    renderView(panel, schedulesView);
    expect(await screen.findByText('The pipeline has no tasks yet')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Add a schedule' })).toBeNull();
  });

  it('keeps what was typed where the server refuses it', async () => {
    const panel = await fakePanel(
      answers({
        'POST /schedules-preview': PREVIEW,
        'POST /schedules': () => refusal(409, { message: '"x" is there already' })
      })
    );
    renderView(panel, schedulesView, { form: true });
    await screen.findByRole('complementary', { name: 'New schedule' });
    type('Name', 'x');
    type('When', 'every day at 6');
    fireEvent.submit(screen.getByLabelText('Name').closest('form')!);
    expect(await screen.findByText(/"x" is there already/)).toBeTruthy();
    expect((screen.getByLabelText('Name') as HTMLInputElement).value).toBe('x');
  });

  it('changes one: sends what is different, and keeps what no notebook declares', async () => {
    const old = scheduleView('nightly', {
      schedule: scheduleOf('nightly', {
        when: 'every day at 6',
        tasks: ['train'],
        parameters: { depth: 3, day: '{{ scheduled_at | date }}' },
        missed: 4
      })
    });
    const panel = await fakePanel(
      answers({
        'GET /schedules': scheduleList([old]),
        'POST /schedules-preview': PREVIEW,
        'POST /schedules/nightly/edit': old
      })
    );
    const { container } = renderView(panel, schedulesView, { schedule: 'nightly' });
    fireEvent.click(await screen.findByRole('button', { name: 'Change' }));
    const form = await screen.findByRole('complementary', { name: 'Change nightly' });
    expect(await within(form).findByText('every day at 06:00')).toBeTruthy();
    expect(screen.queryByLabelText('Name')).toBeNull();
    expect((screen.getByLabelText('Task') as HTMLSelectElement).value).toBe('train');
    expect(screen.getByLabelText('Times that were missed')).toHaveProperty('value', '4');
    fireEvent.change(await screen.findByLabelText(/^depth/), { target: { value: '9' } });
    fireEvent.change(screen.getByLabelText('If the one before still runs'), {
      target: { value: 'queue' }
    });
    type('Further attempts after a failure', '2');
    expect(await violations(container)).toEqual([]);
    fireEvent.click(within(form).getByRole('button', { name: 'Save' }));
    await screen.findByRole('complementary', { name: 'Schedule nightly' });
    const sent = panel.server.requests.find(one => one.route.endsWith('/edit'));
    expect(sent?.body).toEqual({
      parameters: { depth: 9, day: '{{ scheduled_at | date }}' },
      overlap: 'queue',
      retries: 2
    });
  });

  it('is filled in for a notebook, and sends only what it takes', async () => {
    const pipeline = pipelineOf(chain(), {
      parameters: [parameter('rows', { tasks: ['ingest'] }), parameter('depth')]
    });
    const panel = await fakePanel(
      answers({ 'GET /pipeline': pipeline, 'POST /schedules': NIGHTLY })
    );
    await panel.model.project.pipeline.refresh();
    renderView(panel, schedulesView, { form: true, notebook: 'notebooks/features.ipynb' });
    const name = (await screen.findByLabelText('Name')) as HTMLInputElement;
    expect(name.value).toBe('features');
    expect((screen.getByLabelText('Notebook') as HTMLSelectElement).value).toBe(
      'notebooks/features.ipynb'
    );
    expect(screen.getByLabelText(/^rows/)).toBeTruthy();
    expect(screen.queryByLabelText(/^depth/)).toBeNull();

    const draft = new ScheduleDraft(panel.model.project, 'notebooks/features.ipynb');
    draft.set(pipeline.parameters[0], 7);
    draft.set(pipeline.parameters[1], 8);
    await draft.save(pipeline.parameters.slice(0, 1));
    const sent = panel.server.requests.find(one => one.route === 'POST /schedules');
    expect(sent?.body).toMatchObject({
      notebooks: ['notebooks/features.ipynb'],
      parameters: { rows: 7 }
    });
    draft.dispose();
  });
});

function type(label: string, value: string): void {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}
