/** Versions as they are listed, and the ledger as a timeline. */

import type {
  GateState,
  LedgerEntry,
  Metric,
  ModelSummary,
  ModelVersion,
  VersionStatus
} from '../api';
import { extent, padded } from './scale';

export interface IVersionFilter {
  readonly text: string;
  /** A status; all where empty. */
  readonly status: string;
}

export const STATUSES: readonly VersionStatus[] = [
  'registered',
  'approved',
  'rejected',
  'rolled-back',
  'deleted'
];

/** Whether a version has the text in its number, aliases, people, comments, commit or estimator. */
export function matchesVersion(version: ModelVersion, filter: IVersionFilter): boolean {
  if (filter.status && version.status !== filter.status) {
    return false;
  }
  const wanted = filter.text.trim().toLowerCase();
  return (
    !wanted ||
    [
      `v${version.version}`,
      version.status,
      version.actor,
      version.comment,
      version.git_commit,
      version.estimator,
      version.run_id,
      version.digest,
      ...version.aliases
    ].some(text => text.toLowerCase().includes(wanted))
  );
}

/** The metrics that versions have, those of most versions first. */
export function metricNames(versions: readonly ModelVersion[]): string[] {
  const counts = new Map<string, number>();
  for (const version of versions) {
    for (const name of Object.keys(version.metrics)) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
}

/** A domain in which the intervals of all of these can be drawn. */
export function metricDomain(
  metrics: Iterable<Metric | null | undefined>
): readonly [number, number] {
  const values: (number | null)[] = [];
  for (const metric of metrics) {
    if (metric) {
      values.push(metric.value, metric.low, metric.high);
    }
  }
  return padded(extent(values), 0.02);
}

export interface IGateCount {
  readonly passed: number;
  readonly total: number;
}

/** How many of a version's asked gates passed. */
export function gateCount(version: ModelVersion): IGateCount {
  const marks = Object.values(version.gates);
  return { passed: marks.filter(mark => mark.passed).length, total: marks.length };
}

/** The gates that stand against a promotion. */
export function against(gates: readonly GateState[]): GateState[] {
  return gates.filter(gate => !gate.ok);
}

/** Who holds an alias; 0 for nobody. */
export function holder(summary: ModelSummary | null | undefined, alias: string): number {
  return summary?.aliases[alias] ?? 0;
}

/** One thing that happened; the gates that were asked together are one. */
export interface IMoment {
  readonly seq: number;
  readonly entry: LedgerEntry;
  /** All rows that it stands for, the first one first. */
  readonly entries: readonly LedgerEntry[];
}

/** The ledger's rows as moments, the latest first. */
export function timeline(entries: readonly LedgerEntry[], version = 0): IMoment[] {
  const moments: IMoment[] = [];
  for (const entry of entries) {
    if (version && entry.version !== version && entry.previous !== version) {
      continue;
    }
    const last = moments[moments.length - 1];
    if (
      last &&
      entry.kind === 'gate' &&
      last.entry.kind === 'gate' &&
      last.entry.version === entry.version &&
      !last.entries.some(one => one.payload.gate === entry.payload.gate)
    ) {
      moments[moments.length - 1] = { ...last, entries: [...last.entries, entry] };
    } else {
      moments.push({ seq: entry.seq, entry, entries: [entry] });
    }
  }
  return moments.reverse();
}

/** The version that held an alias before its present holder took it; 0 for none. */
export function heldBefore(
  entries: readonly LedgerEntry[],
  alias: string,
  current: number
): number {
  const moves = entries.filter(
    entry =>
      entry.alias === alias &&
      entry.version === current &&
      (entry.kind === 'promoted' || entry.kind === 'rolled-back')
  );
  return moves[moves.length - 1]?.previous ?? 0;
}
