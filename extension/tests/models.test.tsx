import { Notification } from '@jupyterlab/apputils';
import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import { CommandIDs } from '../src/tokens';
import { modelsView } from '../src/views/models';
import { versionView } from '../src/views/version';
import { fakePanel, refusal, renderView, stubCommands, violations } from './kit';
import { entry, FIRST, gate, gates, registry, SECOND, SUMMARY } from './modelkit';

const PASSED = gates(gate('good', true, '0.72 is at least 0.6'));
const PROMOTE = 'POST /models/trips/versions/2/promote';
const ARGS = { model: 'trips', version: '2' };

afterEach(() => Notification.dismiss());

/** The dialog that stands, by its title. */
async function dialog(title: string): Promise<HTMLElement> {
  const heading = await screen.findByText(title);
  return heading.closest<HTMLElement>('.jp-Dialog')!;
}

async function press(inside: HTMLElement, label: string): Promise<void> {
  await act(async () => {
    fireEvent.click(within(inside).getByText(label));
  });
}

describe('Models', () => {
  it('asks nothing where there is no project', async () => {
    const panel = await fakePanel({ 'GET /projects': { projects: [], truncated: false } });
    renderView(panel, modelsView);
    expect(await screen.findByText('No pipeline here yet')).toBeTruthy();
    const asked = panel.server.requests.map(one => one.route);
    expect(asked.filter(route => route.includes('models'))).toEqual([]);
  });

  it('shows champion and versions with metrics and gates', async () => {
    const panel = await fakePanel(registry(PASSED));
    stubCommands(panel, CommandIDs.openVersion);
    const { container } = renderView(panel, modelsView);
    const table = await screen.findByRole('table', { name: 'Versions' });
    const rows = within(table).getAllByRole('row');
    expect(rows[1].textContent).toContain('v2');
    expect(rows[1].textContent).toContain('not asked');
    expect(rows[2].textContent).toContain('champion');
    expect(rows[2].textContent).toContain('1 of 1 passed');
    expect(screen.getByRole('region', { name: 'Champion' }).textContent).toContain(
      'trips v1'
    );
    expect(await violations(container)).toEqual([]);
  });

  it('opens a version by Enter', async () => {
    const panel = await fakePanel(registry(PASSED));
    stubCommands(panel, CommandIDs.openVersion);
    renderView(panel, modelsView);
    const table = await screen.findByRole('table', { name: 'Versions' });
    fireEvent.keyDown(within(table).getAllByRole('row')[1], { key: 'Enter' });
    await waitFor(() => expect(panel.executed).toEqual([[CommandIDs.openVersion, ARGS]]));
  });

  it('compares the two that are chosen', async () => {
    const panel = await fakePanel(registry(PASSED));
    stubCommands(panel, CommandIDs.openVersions);
    renderView(panel, modelsView);
    await screen.findByRole('table', { name: 'Versions' });
    screen.getAllByRole('checkbox').forEach(box => fireEvent.click(box));
    fireEvent.click(screen.getByRole('button', { name: 'Compare' }));
    await waitFor(() =>
      expect(panel.executed).toEqual([
        [CommandIDs.openVersions, { model: 'trips', left: '1', right: '2' }]
      ])
    );
  });

  it('says how to begin where nothing is registered', async () => {
    const panel = await fakePanel({ 'GET /models': { models: [] } });
    const { container } = renderView(panel, modelsView);
    expect(await screen.findByText('No model is registered yet')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('says what is wrong, and how to mend it', async () => {
    const panel = await fakePanel({
      'GET /models': refusal(400, {
        message: 'the ledger is damaged',
        fix: 'run mlops-nb models verify'
      })
    });
    renderView(panel, modelsView);
    expect(await screen.findByText(/the ledger is damaged/)).toBeTruthy();
    expect(screen.getByText(/mlops-nb models verify/)).toBeTruthy();
  });

  it('rolls back to the version before, and shows the ledger', async () => {
    const held = { ...SUMMARY, champion: SECOND, aliases: { champion: 2 } };
    const history = [
      entry(1, { kind: 'promoted', version: 1, alias: 'champion' }),
      entry(2, { kind: 'promoted', version: 2, alias: 'champion', previous: 1 })
    ];
    const panel = await fakePanel(
      registry(PASSED, {
        'GET /models': { models: [held] },
        'GET /models/trips/history': { model: 'trips', entries: history },
        'POST /models/trips/rollback': {
          entry: entry(3),
          model: 'trips',
          version: 1,
          alias: 'champion',
          previous: 2,
          gates: [],
          mirrored: true,
          mirror_error: ''
        }
      })
    );
    renderView(panel, modelsView);
    fireEvent.click(await screen.findByRole('button', { name: 'History' }));
    expect(await screen.findByText('champion: v1 → v2')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Roll Back…' }));
    const asked = await dialog('Roll back trips');
    expect(asked.textContent).toContain('Before it, v1 held it.');
    await press(asked, 'Roll Back');
    await waitFor(() =>
      expect(
        panel.server.requests.find(one => one.route.endsWith('/rollback'))?.body
      ).toEqual({ alias: 'champion', expected: 2, reason: '' })
    );
  });

  it('is read again when someone else changed a model', async () => {
    const panel = await fakePanel(registry(PASSED));
    renderView(panel, modelsView);
    await screen.findByRole('table', { name: 'Versions' });
    panel.server.answers['GET /models/trips/versions'] = {
      model: 'trips',
      versions: [{ ...SECOND, status: 'rejected' }, FIRST]
    };
    await act(async () => panel.tell({ kind: 'models.changed', run: '', seq: 0 }));
    const table = screen.getByRole('table', { name: 'Versions' });
    await waitFor(() => expect(within(table).getByText('rejected')).toBeTruthy());
  });
});

describe('A version', () => {
  it('shows gates with what they rest on', async () => {
    const panel = await fakePanel(registry(gates(gate('good', false, '0.5 is below 0.6'))));
    const { container } = renderView(panel, versionView, ARGS);
    expect(await screen.findByText('1 of 1 stand against champion.')).toBeTruthy();
    expect(screen.getAllByText('0.5 is below 0.6').length).toBeGreaterThan(0);
    expect(screen.getByText('on 1,000 rows')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('is promoted with the champion that was seen', async () => {
    const panel = await fakePanel(
      registry(PASSED, {
        [PROMOTE]: {
          entry: entry(5),
          model: 'trips',
          version: 2,
          alias: 'champion',
          previous: 1,
          gates: [],
          mirrored: true,
          mirror_error: ''
        }
      })
    );
    renderView(panel, versionView, ARGS);
    fireEvent.click(await screen.findByRole('button', { name: 'Promote…' }));
    const asked = await dialog('Promote v2 to champion');
    expect(asked.textContent).toContain('trips v2 takes champion over from v1.');
    await press(asked, 'Promote');
    await waitFor(() =>
      expect(panel.server.requests.find(one => one.route === PROMOTE)?.body).toEqual({
        alias: 'champion',
        expected: 1,
        reason: '',
        force: false
      })
    );
  });

  it('goes past its gates by force only, and with a reason only', async () => {
    const panel = await fakePanel(registry(gates(gate('good', false, '0.5 is below 0.6'))));
    renderView(panel, versionView, ARGS);
    fireEvent.click(await screen.findByRole('button', { name: 'Promote…' }));
    const asked = await dialog('Promote v2 against its gates');
    expect(asked.textContent).toContain('0.5 is below 0.6');
    const accept = within(asked).getByText('Promote by Force').closest('button')!;
    await waitFor(() => expect(accept.disabled).toBe(true));
    const why = await within(asked).findByLabelText(/needed/);
    fireEvent.change(why, { target: { value: 'a fire' } });
    await waitFor(() => expect(accept.disabled).toBe(false));
    await press(asked, 'Cancel');
    expect(panel.server.requests.some(one => one.route === PROMOTE)).toBe(false);
  });

  it('tells of a refused promotion, and how to mend it', async () => {
    const panel = await fakePanel(
      registry(PASSED, {
        [PROMOTE]: () =>
          refusal(400, { message: 'good has not passed', fix: 'ask the gates again' })
      })
    );
    renderView(panel, versionView, ARGS);
    fireEvent.click(await screen.findByRole('button', { name: 'Promote…' }));
    await press(await dialog('Promote v2 to champion'), 'Promote');
    await waitFor(() =>
      expect(Notification.manager.notifications.map(one => one.message).join()).toContain(
        'good has not passed. To mend it: ask the gates again'
      )
    );
  });

  it('tells who was first where the champion changed meanwhile', async () => {
    const panel = await fakePanel(
      registry(PASSED, {
        [PROMOTE]: () =>
          refusal(409, {
            kind: 'ConflictError',
            message: 'champion is v3 now, not v1',
            fix: 'look at v3 and decide again'
          })
      })
    );
    renderView(panel, versionView, ARGS);
    fireEvent.click(await screen.findByRole('button', { name: 'Promote…' }));
    await press(await dialog('Promote v2 to champion'), 'Promote');
    const told = await dialog('Someone else was first');
    expect(told.textContent).toContain('champion is v3 now, not v1');
    const before = panel.server.requests.length;
    await press(told, 'Show How It Stands Now');
    await waitFor(() => expect(panel.server.requests.length).toBeGreaterThan(before));
  });
});
