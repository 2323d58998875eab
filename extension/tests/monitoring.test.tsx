import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import type {
  Alert,
  ColumnDrift,
  HeatCell,
  HeatMap,
  MonitorStatus,
  PerformanceSeries
} from '../src/api';
import { CommandIDs } from '../src/tokens';
import { monitoringView } from '../src/views/monitoring';
import {
  fakePanel,
  refusal,
  renderView,
  stubCommands,
  violations,
  type Answer
} from './kit';

const WINDOWS = ['2013-05', '2013-06'];

function cell(score: number, more: Partial<HeatCell> = {}): HeatCell {
  const drifted = score > 1;
  return {
    state: drifted ? 'drift' : 'ok',
    severity: drifted ? 'warning' : 'none',
    score,
    text: '',
    ...more
  };
}

const MAP: HeatMap = {
  model: 'trips',
  baseline: 'pinned',
  windows: WINDOWS.map((window, at) => ({
    window,
    version: '1',
    rows: 1000,
    state: at ? 'drift' : 'ok',
    severity: at ? 'warning' : 'none',
    drifted: at,
    recorded: 1_790_000_000
  })),
  columns: [
    { column: 'a', kind: 'numeric', importance: 1, cells: [cell(0.2), cell(2.5)] },
    { column: 'b', kind: 'numeric', importance: 0.3, cells: [cell(0.1), null] }
  ]
};

const ALERT: Alert = {
  id: 'trips/a/drift@2013-06',
  model: 'trips',
  subject: 'a',
  aspect: 'drift',
  state: 'open',
  severity: 'critical',
  since: '2013-06',
  opened: '2013-06',
  last: '2013-06',
  closed: '',
  windows: 2,
  text: 'median 1 → 2',
  importance: 1,
  actor: '',
  reason: '',
  snoozed_until: ''
};

const STATUS: MonitorStatus = {
  model: 'trips',
  version: '1',
  window: '2013-06',
  windows: 2,
  state: 'drift',
  severity: 'critical',
  alerts: [ALERT],
  performance: [],
  skills: [],
  advice: ['Retrain: a moved.'],
  recorded: 1_790_000_000
};

const SERIES: PerformanceSeries = {
  model: 'trips',
  metrics: ['auc'],
  points: WINDOWS.map((window, at) => ({
    window,
    metric: 'auc',
    value: 0.8 - at / 10,
    low: 0.75 - at / 10,
    high: 0.85 - at / 10,
    count: 1000,
    kind: 'realised',
    method: '',
    level: 0.95,
    coverage: 1,
    note: ''
  })),
  gaps: [],
  skills: []
};

const COLUMN: ColumnDrift = {
  column: 'a',
  kind: 'numeric',
  state: 'drift',
  severity: 'warning',
  score: 2.5,
  importance: 1,
  findings: [],
  measures: {},
  reference_count: 4000,
  current_count: 1000,
  reference_null_rate: 0,
  current_null_rate: 0.1,
  overlay: {
    edges: [0, 1, 2],
    reference: [0.5, 0.5],
    current: [0.1, 0.9]
  } as ColumnDrift['overlay'],
  quantiles: [],
  shares: [],
  segments: [],
  since: '2013-06',
  text: 'median 1 → 2'
};

function server(more: Record<string, Answer> = {}): Record<string, Answer> {
  return {
    'GET /monitoring': { models: [STATUS] },
    'GET /monitoring/trips/heatmap': MAP,
    'GET /monitoring/trips/performance': SERIES,
    'GET /monitoring/trips/column': COLUMN,
    'GET /alerts': { alerts: [ALERT] },
    ...more
  };
}

describe('Monitoring', () => {
  it('shows drift, performance and alerts in words', async () => {
    const panel = await fakePanel(server());
    const { container } = renderView(panel, monitoringView);
    const grid = await screen.findByRole('grid');
    expect(
      within(grid).getByRole('button', {
        name: 'a in 2013-06, drifted, 2.5 times its threshold'
      })
    ).toBeTruthy();
    expect(await screen.findByText('median 1 → 2')).toBeTruthy();
    expect(screen.getByText('Retrain: a moved.')).toBeTruthy();
    expect(await screen.findByRole('img', { name: /^auc by window/ })).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('is walked by arrow keys, one cell being a stop of Tab', async () => {
    const panel = await fakePanel(server());
    renderView(panel, monitoringView);
    const grid = await screen.findByRole('grid');
    const stops = () =>
      within(grid)
        .getAllByRole('button')
        .filter(one => one.tabIndex === 0);
    expect(stops()).toHaveLength(1);
    act(() => stops()[0].focus());
    fireEvent.keyDown(document.activeElement!, { key: 'ArrowLeft' });
    expect(document.activeElement?.getAttribute('aria-label')).toMatch(/^a in 2013-05/);
    fireEvent.keyDown(document.activeElement!, { key: 'ArrowDown' });
    expect(document.activeElement?.getAttribute('aria-label')).toMatch(/^b in 2013-05/);
    expect(stops()).toEqual([document.activeElement]);
  });

  it('shows a column against its reference', async () => {
    const panel = await fakePanel(server());
    const { container } = renderView(panel, monitoringView);
    fireEvent.click(await screen.findByRole('button', { name: /^a in 2013-06/ }));
    expect(
      await screen.findByRole('img', { name: /reference against 2013-06/ })
    ).toBeTruthy();
    const asked = panel.server.requests.find(one => one.route.endsWith('/column'));
    expect(asked?.query.get('window')).toBe('2013-06');
    expect(await violations(container)).toEqual([]);
  });

  it('narrows to columns that drifted', async () => {
    const panel = await fakePanel(server());
    renderView(panel, monitoringView);
    fireEvent.click(await screen.findByLabelText('only those that drifted'));
    expect(screen.getByText('1 of 2 columns')).toBeTruthy();
  });

  it('acknowledges an alert with the reason', async () => {
    const panel = await fakePanel(
      server({ 'POST /alerts/acknowledge': { ...ALERT, state: 'acknowledged' } })
    );
    renderView(panel, monitoringView);
    fireEvent.click(await screen.findByText('Acknowledge…'));
    const box = await screen.findByLabelText('Why');
    fireEvent.change(box, { target: { value: 'a new fleet' } });
    await act(async () => {
      fireEvent.click(
        within(box.closest<HTMLElement>('.jp-Dialog')!).getByText('Acknowledge')
      );
    });
    await waitFor(() =>
      expect(
        panel.server.requests.find(one => one.route.endsWith('/acknowledge'))?.body
      ).toEqual({ alert: ALERT.id, reason: 'a new fleet' })
    );
  });

  it('proposes the window after the last for a snooze', async () => {
    const panel = await fakePanel(server({ 'POST /alerts/snooze': ALERT }));
    renderView(panel, monitoringView);
    fireEvent.click(await screen.findByText('Snooze…'));
    const box = (await screen.findByLabelText(/speaks again/)) as HTMLInputElement;
    expect(box.value).toBe('2013-07');
    await act(async () => {
      fireEvent.click(within(box.closest<HTMLElement>('.jp-Dialog')!).getByText('Cancel'));
    });
    expect(panel.server.requests.some(one => one.route.endsWith('/snooze'))).toBe(false);
  });

  it('offers what its advice is about', async () => {
    const worse = { ...ALERT, id: 'trips/auc/performance@2013-06', aspect: 'performance' };
    const panel = await fakePanel(
      server({ 'GET /monitoring': { models: [{ ...STATUS, alerts: [worse, ALERT] }] } })
    );
    stubCommands(panel, CommandIDs.openPipeline);
    const execute = vi.spyOn(panel.commands, 'execute');
    const { container } = renderView(panel, monitoringView);
    await screen.findByText('Acknowledge…');
    fireEvent.click(screen.getByText('Go to the alerts'));
    expect(document.activeElement?.textContent).toBe('Acknowledge…');
    fireEvent.click(screen.getByText('Retrain with other parameters…'));
    expect(execute).toHaveBeenCalledWith(CommandIDs.openPipeline, {
      side: 'parameters',
      task: ''
    });
    expect(await violations(container)).toEqual([]);
  });

  it('says how to begin where nothing was recorded', async () => {
    const panel = await fakePanel({ 'GET /monitoring': { models: [] } });
    const { container } = renderView(panel, monitoringView);
    expect(await screen.findByText('No window was recorded yet')).toBeTruthy();
    expect(await violations(container)).toEqual([]);
  });

  it('shows the rest where one part failed', async () => {
    const panel = await fakePanel(
      server({
        'GET /monitoring/trips/heatmap': refusal(400, {
          message: 'a profile is damaged',
          fix: 'record 2013-06 again'
        })
      })
    );
    renderView(panel, monitoringView);
    expect(await screen.findByText(/a profile is damaged/)).toBeTruthy();
    expect(screen.getByText(/record 2013-06 again/)).toBeTruthy();
    expect(await screen.findByText('median 1 → 2')).toBeTruthy();
  });
});
