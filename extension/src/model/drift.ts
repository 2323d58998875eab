/** The heat map and the performance series as they are drawn. */

import type { DriftState, HeatCell, HeatColumn, PerformanceSeries, Severity } from '../api';

/** How strongly a cell is coloured, from 0 to 1: the border of drift is in the middle. */
export function warmth(cell: HeatCell): number {
  const ratio = Math.max(0, cell.score);
  return ratio < 1 ? ratio * 0.5 : Math.min(1, 0.5 + Math.log2(ratio) / 6);
}

/** The colour family of a cell: calm while it is within its threshold. */
export function heatTone(cell: {
  state: DriftState;
  severity: Severity;
}): 'none' | 'calm' | 'warn' | 'bad' {
  if (cell.state === 'insufficient data') {
    return 'none';
  }
  if (cell.state === 'ok') {
    return 'calm';
  }
  return cell.severity === 'critical' ? 'bad' : 'warn';
}

/** Columns whose name holds the text; with `drifted`, only those that drifted somewhere. */
export function shownColumns(
  columns: readonly HeatColumn[],
  text: string,
  drifted: boolean
): HeatColumn[] {
  const wanted = text.trim().toLowerCase();
  return columns.filter(
    column =>
      column.column.toLowerCase().includes(wanted) &&
      (!drifted ||
        column.cells.some(cell => cell && ['drift', 'schema'].includes(cell.state)))
  );
}

export interface ITrackPoint {
  readonly window: string;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly coverage: number;
  readonly count: number;
}

/** One metric over time: what it was, what it was thought to be, what was expected of it. */
export interface ITrack {
  readonly windows: readonly string[];
  readonly realised: readonly ITrackPoint[];
  readonly estimated: readonly ITrackPoint[];
  readonly expected: readonly { readonly window: string; readonly value: number }[];
  /** Windows in which it was worse than expected, beyond chance. */
  readonly bad: ReadonlySet<string>;
}

export function trackOf(series: PerformanceSeries, metric: string): ITrack {
  const points = series.points.filter(point => point.metric === metric);
  const gaps = series.gaps.filter(gap => gap.metric === metric);
  const reference = gaps.filter(gap => gap.aspect === 'performance');
  return {
    windows: [...new Set(series.points.map(point => point.window))].sort(),
    realised: points.filter(point => point.kind === 'realised'),
    estimated: points.filter(point => point.kind === 'estimated'),
    expected: reference.map(gap => ({ window: gap.window, value: gap.expected })),
    bad: new Set(gaps.filter(gap => gap.drifted).map(gap => gap.window))
  };
}
