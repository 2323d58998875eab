import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { CommandIDs } from '../src/tokens';
import { runsView } from '../src/views/runs';
import {
  fakePanel,
  refusal,
  renderView,
  runList,
  stubCommands,
  summary,
  violations
} from './kit';
import { chain, pipelineOf } from './pipelinekit';

const TWO = runList([
  summary('20260102-000000-b', { status: 'failed', failed: ['train'], seconds: 3 }),
  summary('20260101-000000-a', { parameters: { depth: 6 }, metrics: { auc: 0.712345678 } })
]);

describe('Runs', () => {
  it('lists the history with status in words', async () => {
    const panel = await fakePanel({ 'GET /runs': TWO });
    stubCommands(panel, CommandIDs.openRun, CommandIDs.compareRuns, CommandIDs.runAll);
    const { container } = renderView(panel, runsView);
    const table = await screen.findByRole('table', { name: 'Runs' });
    expect(within(table).getByText('failed')).toBeTruthy();
    expect(within(table).getByText('train')).toBeTruthy();
    expect(within(table).getByText('0.7123')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('opens a run by Enter', async () => {
    const panel = await fakePanel({ 'GET /runs': TWO });
    stubCommands(panel, CommandIDs.openRun);
    renderView(panel, runsView);
    const rows = within(await screen.findByRole('table')).getAllByRole('row');
    fireEvent.keyDown(rows[1], { key: 'Enter' });
    await waitFor(() =>
      expect(panel.executed).toEqual([[CommandIDs.openRun, { run: '20260102-000000-b' }]])
    );
  });

  it('sorts by duration', async () => {
    const panel = await fakePanel({ 'GET /runs': TWO });
    renderView(panel, runsView);
    fireEvent.click(await screen.findByRole('button', { name: /Took/ }));
    const ids = screen.getAllByText(/^2026/).map(node => node.textContent);
    expect(ids).toEqual(['20260102-000000-b', '20260101-000000-a']);
    fireEvent.click(screen.getByRole('button', { name: /Took/ }));
    expect(screen.getAllByText(/^2026/)[0].textContent).toBe('20260101-000000-a');
  });

  it('narrows to a search, and says so where nothing is left', async () => {
    const panel = await fakePanel({ 'GET /runs': TWO });
    renderView(panel, runsView);
    const search = await screen.findByRole('searchbox');
    fireEvent.change(search, { target: { value: 'depth=6' } });
    expect(screen.getAllByText(/^2026/)).toHaveLength(1);
    fireEvent.change(search, { target: { value: 'nothing' } });
    expect(screen.getByText('No run matches')).toBeTruthy();
  });

  it('compares the two that are chosen', async () => {
    const panel = await fakePanel({ 'GET /runs': TWO });
    panel.commands.addCommand(CommandIDs.compareRuns, {
      label: 'Compare',
      isEnabled: args => args.count === 2,
      execute: () => undefined
    });
    renderView(panel, runsView);
    const boxes = await screen.findAllByRole('checkbox');
    const compare = screen.getByRole('button', { name: 'Compare' }) as HTMLButtonElement;
    expect(compare.disabled).toBe(true);
    boxes.forEach(box => fireEvent.click(box));
    fireEvent.click(screen.getByRole('button', { name: 'Compare' }));
    await waitFor(() =>
      expect(panel.executed[0][1]).toMatchObject({
        left: '20260101-000000-a',
        right: '20260102-000000-b'
      })
    );
  });

  it('offers to run where nothing ran', async () => {
    const panel = await fakePanel({ 'GET /runs': runList([]) });
    const { container } = renderView(panel, runsView);
    expect(await screen.findByText('Nothing ran yet')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('says how to enable the server part', async () => {
    const panel = await fakePanel();
    renderView(panel, runsView);
    expect(await screen.findByText(/server part of mlops-nb is not enabled/)).toBeTruthy();
    expect(screen.getByText(/jupyter server extension enable/)).toBeTruthy();
  });

  it('says what is wrong, where, and how to mend it', async () => {
    const panel = await fakePanel({
      'GET /runs': () =>
        refusal(422, {
          message: 'task "a" has no source',
          where: 'pipeline.yaml',
          fix: 'name a notebook'
        })
    });
    const { container } = renderView(panel, runsView);
    expect(await screen.findByText('task "a" has no source')).toBeTruthy();
    expect(screen.getByText('pipeline.yaml')).toBeTruthy();
    expect(screen.getByText(/name a notebook/)).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('keeps what it has while the server is away', async () => {
    let away = false;
    const panel = await fakePanel({
      'GET /runs': () => {
        if (away) {
          throw new TypeError('Failed to fetch');
        }
        return TWO;
      }
    });
    renderView(panel, runsView);
    await screen.findByRole('table');
    away = true;
    await act(() => panel.model.project.runs.refresh());
    expect(screen.getByText(/this is how things stood before/)).toBeTruthy();
    expect(screen.getByRole('table')).toBeTruthy();
  });

  it('offers to start a project where there is none', async () => {
    const panel = await fakePanel({ 'GET /projects': { projects: [], truncated: false } });
    const { container } = renderView(panel, runsView);
    expect(await screen.findByText('No pipeline here yet')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Start a project…' })).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('does not offer to run a pipeline without tasks', async () => {
    const panel = await fakePanel({
      'GET /runs': runList([]),
      'GET /pipeline': pipelineOf([])
    });
    stubCommands(panel, CommandIDs.convert);
    const { container } = renderView(panel, runsView);
    expect(await screen.findByText('The pipeline has no tasks yet')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Run the pipeline' })).toBeNull();
    expect(screen.queryByLabelText('Search runs')).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Convert a notebook…' }));
    expect(panel.executed.map(([id]) => id)).toContain(CommandIDs.convert);
    expect(await violations(container)).toEqual([]);
  });

  it('offers to run one that has some', async () => {
    const panel = await fakePanel({
      'GET /runs': runList([]),
      'GET /pipeline': pipelineOf(chain())
    });
    renderView(panel, runsView);
    expect(await screen.findByText('Nothing ran yet')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Run the pipeline' })).toBeTruthy();
  });
});
